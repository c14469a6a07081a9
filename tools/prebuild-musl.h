// Before everything else in the addons for musl. The compiler's C++ headers were configured for glibc: these functions of it, which musl lacks, have
// fallbacks in the same headers; and the header of character classes names glibc's table of them, which the addon never asks.
#include <bits/c++config.h>

#undef _GLIBCXX_USE_PTHREAD_COND_CLOCKWAIT
#undef _GLIBCXX_USE_PTHREAD_MUTEX_CLOCKLOCK
#undef _GLIBCXX_USE_PTHREAD_RWLOCK_CLOCKLOCK

enum {
  _ISupper = 0x0100,
  _ISlower = 0x0200,
  _ISalpha = 0x0400,
  _ISdigit = 0x0800,
  _ISxdigit = 0x1000,
  _ISspace = 0x2000,
  _ISprint = 0x4000,
  _ISblank = 0x0001,
  _IScntrl = 0x0002,
  _ISpunct = 0x0004,
};
