// Builds a filter with libseccomp and writes it to standard output, for comparison with ours.
//
//   libseccomp OPTIMIZE DEFAULT < rules     DEFAULT and actions: 32-bit answers of seccomp(2)
//
// One line for each rule: ACTION SYSCALL-NUMBER [INDEX OP VALUE VALUE2]..., OP as in enum
// scmp_compare. Lines "arch NAME" add architectures.

#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    return 64;
  }
  scmp_filter_ctx context = seccomp_init((uint32_t)strtoul(argv[2], NULL, 0));
  if (context == NULL ||
      seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, (uint32_t)atoi(argv[1])) != 0) {
    return 65;
  }
  char line[4096];
  while (fgets(line, sizeof line, stdin) != NULL) {
    char* word = strtok(line, " \n");
    if (word == NULL) {
      continue;
    }
    if (strcmp(word, "arch") == 0) {
      seccomp_arch_add(context, seccomp_arch_resolve_name(strtok(NULL, " \n")));
      continue;
    }
    const uint32_t action = (uint32_t)strtoul(word, NULL, 0);
    const char* name = strtok(NULL, " \n");
    const int number =
        name[0] >= '0' && name[0] <= '9' ? atoi(name) : seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) {
      continue;
    }
    struct scmp_arg_cmp args[6];
    unsigned int count = 0;
    while (count < 6 && (word = strtok(NULL, " \n")) != NULL) {
      args[count].arg = (unsigned int)atoi(word);
      args[count].op = (enum scmp_compare)atoi(strtok(NULL, " \n"));
      args[count].datum_a = strtoull(strtok(NULL, " \n"), NULL, 0);
      args[count].datum_b = strtoull(strtok(NULL, " \n"), NULL, 0);
      ++count;
    }
    const int result = seccomp_rule_add_array(context, action, number, count, args);
    if (result != 0 && result != -17 /* already there */) {
      fprintf(stderr, "rule on %s: %s\n", name, strerror(-result));
      return 66;
    }
  }
  return seccomp_export_bpf(context, STDOUT_FILENO) == 0 ? 0 : 67;
}
