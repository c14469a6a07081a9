/* A program that tries things and says what came of each: the tests run it inside and outside of
 * cells. Each argument is one deed, `name` or `name,argument,...`; for each there is one line
 * `argument=RESULT`, where RESULT is OK or the name of an error number. */

#ifndef CLOISTER_TEST_DEED_H_
#define CLOISTER_TEST_DEED_H_

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Arguments after the name; those that were not given are empty. */
struct deed {
  const char* name;
  /* Negative error number, or 0 or more: it worked. */
  long (*act)(char** args);
};

/* What a deed has found out, shown after the result and a colon. */
void tell(const char* format, ...) __attribute__((format(printf, 1, 2)));

/* -errno for a call that answered -1. */
static inline long answer(long result) {
  return result < 0 ? -errno : result;
}

static inline long number(const char* text) {
  return strtol(text, NULL, 0);
}

extern const struct deed file_deeds[], namespace_deeds[], process_deeds[], network_deeds[],
    terminal_deeds[], limit_deeds[], ipc_deeds[], kernel_deeds[], memory_deeds[];

#endif
