// The plan decoder: what it accepts, and each way in which bytes can be no plan.

#include <sched.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "native/plan/decode.h"
#include "test/native/check.h"

namespace {

using cloister::plan::Arena;
using cloister::plan::Decode;
using cloister::plan::Plan;

class Writer {
 public:
  Writer& U32(std::uint32_t value) { return Raw(&value, sizeof(value)); }
  Writer& U64(std::uint64_t value) { return Raw(&value, sizeof(value)); }
  Writer& Text(const std::string& text) {
    U32(static_cast<std::uint32_t>(text.size()));
    return Raw(text.c_str(), text.size() + 1);
  }
  Writer& Raw(const void* data, std::size_t size) {
    const auto* from = static_cast<const std::uint8_t*>(data);
    bytes.insert(bytes.end(), from, from + size);
    return *this;
  }
  std::vector<std::uint8_t> bytes;
};

// The parts of a small plan, each replaceable.
struct Parts {
  std::uint32_t magic = 0x4e4c5043;
  std::uint32_t version = 2;
  std::uint32_t namespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID;
  std::uint32_t uid = 1000;
  std::string scratch;
  std::vector<std::vector<std::uint8_t>> mounts;
  std::uint32_t resource = 7;
  std::uint32_t instructions = 0;
  std::uint32_t violation_answer = 0;
  std::uint32_t promises = 1;
  std::vector<std::string> readable;
  std::string descriptions;
  std::uint32_t landlock = 1;
  std::uint32_t handled_fs = 7;
  std::uint32_t granted_fs = 5;
  std::string granted_path = "/usr";
  std::uint32_t port = 443;
  std::string cwd = "/";
  std::vector<std::string> argv = {"true"};
};

std::vector<std::uint8_t> Tmpfs(std::uint32_t tree, const std::string& path,
                                std::uint32_t mode = 0755) {
  return Writer().U32(1).U32(4).U32(tree).Text(path).U64(4096).U64(16).U32(mode).bytes;
}

std::vector<std::uint8_t> Directory(std::uint32_t filesystem, const std::string& path) {
  return Writer().U32(2).U32(0).U32(filesystem).Text(path).U32(0755).bytes;
}

std::vector<std::uint8_t> Bind(std::uint32_t from, const std::string& source, std::uint32_t at,
                               const std::string& target) {
  return Writer().U32(5).U32(1).U32(from).Text(source).U32(at).Text(target).bytes;
}

std::vector<std::uint8_t> Encode(const Parts& parts) {
  Writer writer;
  writer.U32(parts.magic).U32(parts.version);
  writer.U32(parts.namespaces).U32(parts.uid).U32(1000).U32(0).Text("host").U32(1);
  writer.Text(parts.scratch);
  writer.U32(static_cast<std::uint32_t>(parts.mounts.size()));
  for (const auto& mount : parts.mounts) {
    writer.Raw(mount.data(), mount.size());
  }
  writer.U64(0).U32(parts.landlock).U32(parts.handled_fs).U32(2).U32(3);
  writer.U32(1).U32(parts.granted_fs).U32(1).Text(parts.granted_path);
  writer.U32(1).U32(2).U32(parts.port);
  writer.U32(1).U32(parts.resource).U64(1024);
  writer.U64(5000000000).U64(1 << 20).U32(1).U64(7000000).U32(0).U64(9).U64(50000);
  writer.U32(0).U32(0).U32(0);
  writer.U32(parts.instructions);
  for (std::uint32_t i = 0; i < parts.instructions; ++i) {
    writer.U64(0x7fff000000000006);
  }
  writer.U32(parts.violation_answer)
      .U32(parts.promises)
      .U32(static_cast<std::uint32_t>(parts.readable.size()));
  for (const auto& path : parts.readable) {
    writer.Text(path);
  }
  writer.U32(static_cast<std::uint32_t>(parts.descriptions.size()));
  writer.Raw(parts.descriptions.data(), parts.descriptions.size());
  writer.Text("true").U32(1).Text("/usr/bin/true");
  writer.U32(static_cast<std::uint32_t>(parts.argv.size()));
  for (const auto& argument : parts.argv) {
    writer.Text(argument);
  }
  writer.U32(1).Text("PATH=/usr/bin").Text(parts.cwd);
  return writer.bytes;
}

struct Decoded {
  bool ok;
  Plan plan;
};

// The bytes outlive the call: the plan's texts point into them.
Decoded Run(const std::vector<std::uint8_t>& bytes) {
  static std::vector<std::uint8_t> memory;
  memory.assign(cloister::plan::ArenaSizeFor(bytes.size()), 0xaa);
  Arena arena(memory.data(), memory.size());
  Decoded decoded = {};
  decoded.ok = Decode(bytes.data(), bytes.size(), &arena, &decoded.plan);
  return decoded;
}

Parts Sound() {
  Parts parts;
  parts.mounts = {Tmpfs(0, "/"), Directory(0, "usr"), Bind(2, "/usr", 0, "/usr")};
  return parts;
}

bool Accepts(const Parts& parts) {
  return Run(Encode(parts)).ok;
}

CLOISTER_TEST("a sound plan is read field by field") {
  const auto bytes = Encode(Sound());
  const Decoded decoded = Run(bytes);
  REQUIRE(decoded.ok);
  const Plan& plan = decoded.plan;
  CHECK_EQ(plan.uid, 1000U);
  CHECK_EQ(std::string(plan.hostname), "host");
  CHECK(plan.loopback);
  CHECK_EQ(plan.mounts.size, 3U);
  CHECK_EQ(plan.mounts[0].size, 4096U);
  CHECK_EQ(std::string(plan.mounts[2].from.path), "/usr");
  CHECK_EQ(plan.landlock_fs, 7U);
  CHECK_EQ(plan.landlock_scoped, 3U);
  REQUIRE(plan.landlock_paths.size == 1 && plan.landlock_ports.size == 1);
  CHECK_EQ(std::string(plan.landlock_paths[0].path), "/usr");
  CHECK_EQ(plan.landlock_paths[0].rights, 5U);
  CHECK(plan.landlock_paths[0].optional);
  CHECK_EQ(plan.landlock_ports[0].port, 443U);
  CHECK(plan.violation_answer == cloister::plan::ViolationAnswer::kNobodyAsks);
  CHECK_EQ(plan.limits[0].value, 1024U);
  CHECK_EQ(plan.wall_time_ns, 5000000000U);
  CHECK_EQ(plan.argv.size, 1U);
  CHECK(plan.argv.data[1] == nullptr);
  CHECK_EQ(std::string(plan.environment[0]), "PATH=/usr/bin");
}

CLOISTER_TEST("every shorter prefix of a plan is refused") {
  const auto bytes = Encode(Sound());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<std::uint8_t> prefix(bytes.begin(),
                                           bytes.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(!Run(prefix).ok);
  }
}

CLOISTER_TEST("bytes behind the plan are refused") {
  auto bytes = Encode(Sound());
  bytes.push_back(0);
  CHECK(!Run(bytes).ok);
}

CLOISTER_TEST("another magic, version or unknown namespace is refused") {
  Parts parts = Sound();
  CHECK(Accepts(parts));
  parts.magic = 1;
  CHECK(!Accepts(parts));
  parts = Sound();
  parts.version = 1;
  CHECK(!Accepts(parts));
  parts = Sound();
  parts.namespaces |= CLONE_VM;
  CHECK(!Accepts(parts));
}

CLOISTER_TEST("mounts belong to a mount namespace, and a mount namespace has mounts") {
  Parts parts = Sound();
  parts.namespaces = CLONE_NEWUSER | CLONE_NEWPID;
  CHECK(!Accepts(parts));
  parts.mounts.clear();
  CHECK(Accepts(parts));
  parts.namespaces |= CLONE_NEWNS;
  CHECK(!Accepts(parts));
}

CLOISTER_TEST("a cell without namespaces is read as one in the host's tree, with a keeper") {
  Parts parts = Sound();
  parts.namespaces = 0;
  parts.mounts.clear();
  parts.scratch = "/tmp/scratch";
  const auto bytes = Encode(parts);
  const Decoded decoded = Run(bytes);
  REQUIRE(decoded.ok);
  CHECK(!decoded.plan.HasOwnTree());
  CHECK(decoded.plan.NeedsKeeper());
  CHECK_EQ(std::string(decoded.plan.scratch), "/tmp/scratch");
  parts.scratch = "scratch";
  CHECK(!Accepts(parts));
}

CLOISTER_TEST("the id that means no change is refused") {
  Parts parts = Sound();
  parts.uid = UINT32_MAX;
  CHECK(!Accepts(parts));
}

CLOISTER_TEST("files are only created in file systems that the plan made before") {
  Parts parts = Sound();
  parts.mounts = {Tmpfs(0, "/"), Directory(1, "usr")};
  CHECK(!Accepts(parts));
  parts.mounts = {Tmpfs(0, "/"), Tmpfs(0, "/tmp"), Directory(1, "usr")};
  CHECK(Accepts(parts));
}

CLOISTER_TEST("created paths cannot leave their file system") {
  for (const char* path : {"/usr", "../usr", "a/../../b", "a//b", "a/", ".", "", "a/./b"}) {
    Parts parts = Sound();
    parts.mounts[1] = Directory(0, path);
    CHECK(!Accepts(parts));
  }
}

CLOISTER_TEST("places are absolute and of a known tree") {
  Parts parts = Sound();
  parts.mounts[2] = Bind(2, "usr", 0, "/usr");
  CHECK(!Accepts(parts));
  parts.mounts[2] = Bind(2, "/usr", 0, "usr");
  CHECK(!Accepts(parts));
  parts.mounts[2] = Bind(2, "/usr", 2, "/usr");
  CHECK(!Accepts(parts));
  parts.mounts[2] = Bind(0, "/usr", 0, "/usr");
  CHECK(!Accepts(parts));
  parts.mounts[2] = Bind(3, "/usr", 0, "/usr");
  CHECK(!Accepts(parts));
}

CLOISTER_TEST("a plan has exactly one root, made first or on the stage") {
  Parts parts = Sound();
  parts.mounts = {};
  CHECK(!Accepts(parts));
  parts.mounts = {Bind(2, "/usr", 0, "/usr")};
  CHECK(!Accepts(parts));
  parts.mounts = {Tmpfs(1, "/")};
  CHECK(!Accepts(parts));
  parts.mounts = {Tmpfs(1, "/"), Bind(2, "/srv", 0, "/")};
  CHECK(Accepts(parts));
  parts.mounts = {Tmpfs(0, "/"), Bind(2, "/srv", 0, "/")};
  CHECK(!Accepts(parts));
  parts.mounts = {Tmpfs(1, "/"), Bind(2, "/srv", 0, "/usr"), Bind(2, "/srv", 0, "/")};
  CHECK(!Accepts(parts));
}

CLOISTER_TEST("set-id modes, unknown resources and overlong filters are refused") {
  Parts parts = Sound();
  parts.mounts[0] = Tmpfs(0, "/", 04755);
  CHECK(!Accepts(parts));
  parts = Sound();
  parts.resource = 16;
  CHECK(!Accepts(parts));
  parts = Sound();
  parts.instructions = 4096;
  CHECK(Accepts(parts));
  parts.instructions = 4097;
  CHECK(!Accepts(parts));
}

CLOISTER_TEST("a Landlock rule grants something, and nothing that is not handled") {
  Parts parts = Sound();
  parts.granted_fs = 8;
  CHECK(!Accepts(parts));
  parts.granted_fs = 0;
  CHECK(!Accepts(parts));
  parts = Sound();
  parts.granted_path = "usr";
  CHECK(!Accepts(parts));
  parts = Sound();
  parts.port = 65535;
  CHECK(Accepts(parts));
  parts.port = 65536;
  CHECK(!Accepts(parts));
  parts = Sound();
  parts.landlock = 0;
  CHECK(!Accepts(parts));
}

CLOISTER_TEST("what is answered at a violation needs a filter, and is one of three answers") {
  Parts parts = Sound();
  parts.instructions = 1;
  parts.violation_answer = 1;
  parts.readable = {"/lib", "/usr/bin/true"};
  parts.descriptions = "words";
  const auto bytes = Encode(parts);
  const Decoded decoded = Run(bytes);
  REQUIRE(decoded.ok);
  CHECK(decoded.plan.violation_answer == cloister::plan::ViolationAnswer::kKill);
  REQUIRE(decoded.plan.readable.size == 2);
  CHECK_EQ(std::string(decoded.plan.readable[1]), "/usr/bin/true");
  CHECK_EQ(decoded.plan.descriptions.size, 5U);
  parts.violation_answer = 3;
  CHECK(Accepts(parts));
  parts.violation_answer = 4;
  CHECK(!Accepts(parts));
  parts.violation_answer = 0;
  CHECK(!Accepts(parts));
  parts.violation_answer = 2;
  parts.readable = {"lib"};
  CHECK(!Accepts(parts));
  parts.readable = {"/lib"};
  CHECK(Accepts(parts));
  parts.promises = 0;
  CHECK(!Accepts(parts));
  parts.readable = {};
  CHECK(Accepts(parts));
  parts.instructions = 0;
  CHECK(!Accepts(parts));
}

CLOISTER_TEST("a command has an argv[0] and an absolute directory, without NUL bytes") {
  Parts parts = Sound();
  parts.argv = {};
  CHECK(!Accepts(parts));
  parts = Sound();
  parts.cwd = "tmp";
  CHECK(!Accepts(parts));
  parts = Sound();
  parts.argv = {std::string("a\0b", 3)};
  CHECK(!Accepts(parts));
}

CLOISTER_TEST("a count that the bytes cannot hold reserves nothing") {
  Parts parts = Sound();
  auto bytes = Encode(parts);
  // The count of mounts stands behind magic, version, namespaces, ids, the flag, the host name,
  // loopback and the empty name of the scratch directory.
  const std::size_t offset = 4 * 6 + 4 + 5 + 4 + 4 + 1;
  std::uint32_t count = 0;
  std::memcpy(&count, bytes.data() + offset, sizeof(count));
  REQUIRE(count == 3);
  count = 0x10000000;
  std::memcpy(bytes.data() + offset, &count, sizeof(count));
  CHECK(!Run(bytes).ok);
}

}  // namespace
