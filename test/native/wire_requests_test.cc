// Requests of the addon: what the launcher takes, and what makes it end the connection.

#include <csignal>
#include <cstdint>
#include <cstring>
#include <vector>

#include "native/wire/requests.h"
#include "test/native/check.h"

namespace {

using namespace cloister::wire;

std::vector<std::uint8_t> Bytes(const void* message, std::size_t size, std::size_t extra = 0) {
  const auto* from = static_cast<const std::uint8_t*>(message);
  std::vector<std::uint8_t> bytes(from, from + size);
  bytes.resize(size + extra, 0x11);
  return bytes;
}

SpawnRequest Spawn(std::uint64_t plan_size) {
  SpawnRequest request = {};
  request.header = {kVersion, Type::kSpawn, 7};
  request.plan_size = plan_size;
  request.stdio_count = 3;
  return request;
}

bool Accepts(const std::vector<std::uint8_t>& bytes, std::size_t descriptors) {
  ParsedRequest parsed;
  return ParseRequest(bytes.data(), bytes.size(), descriptors, &parsed);
}

CLOISTER_TEST("a spawn request carries permissions to take away, or none") {
  SpawnRequest request = Spawn(0);
  for (const std::uint32_t mask : {0U, 022U, 0777U, kKeepUmask}) {
    request.umask = mask;
    CHECK(Accepts(Bytes(&request, sizeof(request)), 3));
  }
  for (const std::uint32_t mask : {01000U, 07777U, kKeepUmask - 1}) {
    request.umask = mask;
    CHECK(!Accepts(Bytes(&request, sizeof(request)), 3));
  }
}

CLOISTER_TEST("a spawn request carries its plan") {
  const SpawnRequest request = Spawn(10);
  const auto bytes = Bytes(&request, sizeof(request), 10);
  ParsedRequest parsed;
  REQUIRE(ParseRequest(bytes.data(), bytes.size(), 3, &parsed));
  CHECK_EQ(parsed.cell, 7U);
  CHECK_EQ(parsed.spawn.plan_size, 10U);
  CHECK(parsed.spawn.plan == bytes.data() + sizeof(request));
  CHECK(!parsed.spawn.InMemfd());
}

CLOISTER_TEST("a plan's size must be the size of what came") {
  const SpawnRequest request = Spawn(10);
  CHECK(!Accepts(Bytes(&request, sizeof(request), 9), 3));
  CHECK(!Accepts(Bytes(&request, sizeof(request), 11), 3));
  SpawnRequest large = Spawn(kPlanLimit + 1);
  large.plan_in_memfd = 1;
  CHECK(!Accepts(Bytes(&large, sizeof(large)), 4));
  large.plan_size = kPlanLimit;
  CHECK(Accepts(Bytes(&large, sizeof(large)), 4));
  large.plan_in_memfd = 2;
  CHECK(!Accepts(Bytes(&large, sizeof(large)), 4));
}

CLOISTER_TEST("the number of descriptors must be what the request needs") {
  SpawnRequest request = Spawn(1);
  const auto bytes = Bytes(&request, sizeof(request), 1);
  CHECK(!Accepts(bytes, 2));
  CHECK(!Accepts(bytes, 4));
  request.terminal_mask = 7;
  CHECK(Accepts(Bytes(&request, sizeof(request), 1), 0));
  request.terminal_mask = 8;
  CHECK(!Accepts(Bytes(&request, sizeof(request), 1), 3));
  request = Spawn(1);
  request.stdio_count = kStdioLimit + 1;
  CHECK(!Accepts(Bytes(&request, sizeof(request), 1), kStdioLimit + 1));
  request.stdio_count = 2;
  CHECK(!Accepts(Bytes(&request, sizeof(request), 1), 2));
}

CLOISTER_TEST("another version, cell 0 and the launcher's own types are refused") {
  KillRequest request = {{kVersion, Type::kKill, 7}};
  CHECK(Accepts(Bytes(&request, sizeof(request)), 0));
  request.header.version = kVersion + 1;
  CHECK(!Accepts(Bytes(&request, sizeof(request)), 0));
  request.header = {kVersion, Type::kKill, 0};
  CHECK(!Accepts(Bytes(&request, sizeof(request)), 0));
  request.header = {kVersion, Type::kKill, UINT64_MAX};
  CHECK(!Accepts(Bytes(&request, sizeof(request)), 0));
  request.header = {kVersion, Type::kStarted, 7};
  CHECK(!Accepts(Bytes(&request, sizeof(request)), 0));
}

CLOISTER_TEST("closing the launcher carries nothing but its header") {
  cloister::wire::CloseRequest request = {{kVersion, Type::kClose, 1}};
  CHECK(Accepts(Bytes(&request, sizeof(request)), 0));
  CHECK(!Accepts(Bytes(&request, sizeof(request)), 1));
  CHECK(!Accepts(Bytes(&request, sizeof(request), 1), 0));
}

CLOISTER_TEST("signals are real ones") {
  SignalRequest request = {{kVersion, Type::kSignal, 7}, SIGTERM, 0};
  CHECK(Accepts(Bytes(&request, sizeof(request)), 0));
  CHECK(!Accepts(Bytes(&request, sizeof(request)), 1));
  for (const int signal : {0, NSIG - 1}) {
    request.signal = signal;
    CHECK(Accepts(Bytes(&request, sizeof(request)), 0));
  }
  for (const int signal : {-1, NSIG, 1000}) {
    request.signal = signal;
    CHECK(!Accepts(Bytes(&request, sizeof(request)), 0));
  }
}

CLOISTER_TEST("a packet shorter than its message is refused") {
  const SpawnRequest request = Spawn(0);
  const auto bytes = Bytes(&request, sizeof(request));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ParsedRequest parsed;
    CHECK(!ParseRequest(bytes.data(), size, 3, &parsed));
  }
}

}  // namespace
