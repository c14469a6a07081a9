// Removing a tree: what is no directory of the tree for sure is not walked into.

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <string>

#include "native/child/remove_tree.h"
#include "test/native/check.h"

namespace {

// More than the rounds that a removal takes at most.
constexpr int kInner = 70;

// A directory with kInner directories, each with a file.
std::string MakeTree() {
  char top[] = "/tmp/cloister-remove-XXXXXX";
  if (mkdtemp(top) == nullptr) {
    return "";
  }
  for (int i = 0; i < kInner; ++i) {
    const std::string inner = std::string(top) + "/" + std::to_string(i);
    if (mkdir(inner.c_str(), 0700) != 0) {
      return "";
    }
    const int file = open((inner + "/file").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0) {
      return "";
    }
    close(file);
  }
  return top;
}

// From here on fstat(2) fails in this process.
bool BreakFstat() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fstat, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {4, filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

// The removal's negated error number, in a process of its own; 255 where that cannot be made.
int RemoveInChild(const std::string& tree, bool broken) {
  const pid_t child = fork();
  if (child == 0) {
    _exit(broken && !BreakFstat() ? 255
                                  : static_cast<int>(-cloister::child::RemoveTree(tree.c_str())));
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status)
                                                                               : 255;
}

CLOISTER_TEST("a tree of any width is removed") {
  const std::string tree = MakeTree();
  REQUIRE(!tree.empty());
  CHECK_EQ(RemoveInChild(tree, false), 0);
  CHECK(access(tree.c_str(), F_OK) != 0);
}

CLOISTER_TEST("no step up is taken where fstat(2) does not tell whereto") {
  const std::string tree = MakeTree();
  REQUIRE(!tree.empty());
  // Each round begins from the top, and goes into one directory.
  CHECK_EQ(RemoveInChild(tree, true), ENOTEMPTY);
  CHECK_EQ(cloister::child::RemoveTree(tree.c_str()), 0);
}

}  // namespace
