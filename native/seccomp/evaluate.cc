#include "native/seccomp/evaluate.h"

#include <cstring>

namespace cloister::seccomp {
namespace {

bool IsConditional(std::uint16_t code) {
  return code == kJumpEqual || code == kJumpGreater || code == kJumpAtLeast || code == kJumpAnyBit;
}

bool Passes(const Instruction& instruction, std::uint32_t accumulator) {
  switch (instruction.code) {
    case kJumpEqual:
      return accumulator == instruction.k;
    case kJumpGreater:
      return accumulator > instruction.k;
    case kJumpAtLeast:
      return accumulator >= instruction.k;
    default:
      return (accumulator & instruction.k) != 0;
  }
}

std::uint32_t LoadWord(const CallData& call, std::uint32_t offset) {
  std::uint32_t word = 0;
  // CheckStructure rules this out; a program that was not checked must not read other memory
  // either.
  if (offset > sizeof call - sizeof word) {
    return 0;
  }
  std::memcpy(&word, reinterpret_cast<const unsigned char*>(&call) + offset, sizeof word);
  return word;
}

}  // namespace

std::string CheckStructure(const std::vector<Instruction>& program) {
  const auto at = [](std::size_t index, const char* problem) {
    return "instruction " + std::to_string(index) + ' ' + problem;
  };
  if (program.empty() || program.size() > kMaxInstructions) {
    return std::to_string(program.size()) + " instructions";
  }
  for (std::size_t i = 0; i < program.size(); ++i) {
    const Instruction& instruction = program[i];
    const std::size_t left = program.size() - i - 1;
    if (IsConditional(instruction.code)) {
      if (instruction.jt >= left || instruction.jf >= left) {
        return at(i, "jumps out of the program");
      }
      continue;
    }
    if (instruction.jt != 0 || instruction.jf != 0) {
      return at(i, "has distances but is no conditional jump");
    }
    switch (instruction.code) {
      case kLoadWord:
        // seccomp_check_filter: whole words of seccomp_data only.
        if (instruction.k >= sizeof(CallData) || instruction.k % 4 != 0) {
          return at(i, "loads from outside of seccomp_data");
        }
        break;
      case kJumpAlways:
        if (instruction.k >= left) {
          return at(i, "jumps out of the program");
        }
        break;
      case kAndConstant:
        break;
      case kReturn:
        if (!IsValidAnswer(instruction.k)) {
          return at(i, "returns an unknown answer");
        }
        break;
      default:
        return at(i, "has an unexpected operation");
    }
  }
  // bpf_check_classic: otherwise running off the end would be possible.
  return program.back().code == kReturn ? "" : "the last instruction does not return";
}

Execution Run(const std::vector<Instruction>& program, const CallData& call) {
  std::uint32_t accumulator = 0;
  std::uint32_t executed = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const Instruction& instruction = program[at];
    ++executed;
    switch (instruction.code) {
      case kReturn:
        return {instruction.k, executed};
      case kLoadWord:
        accumulator = LoadWord(call, instruction.k);
        break;
      case kAndConstant:
        accumulator &= instruction.k;
        break;
      case kJumpAlways:
        at += instruction.k;
        break;
      default:
        at += Passes(instruction, accumulator) ? instruction.jt : instruction.jf;
        break;
    }
  }
  // CheckStructure rules this out. What the kernel would do is not known, so the strictest answer
  // is given.
  return {kKillProcess, executed};
}

bool IsConstantAllow(const std::vector<Instruction>& program, std::uint32_t nr,
                     std::uint32_t arch) {
  std::uint32_t accumulator = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const Instruction& instruction = program[at];
    switch (instruction.code) {
      case kReturn:
        // Data on ALLOW would already be another answer.
        return instruction.k == kAllow;
      case kLoadWord:
        if (instruction.k != kOffsetNr && instruction.k != kOffsetArch) {
          return false;
        }
        accumulator = instruction.k == kOffsetNr ? nr : arch;
        break;
      case kAndConstant:
        accumulator &= instruction.k;
        break;
      case kJumpAlways:
        at += instruction.k;
        break;
      default:
        at += Passes(instruction, accumulator) ? instruction.jt : instruction.jf;
        break;
    }
  }
  return false;
}

}  // namespace cloister::seccomp
