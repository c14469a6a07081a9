/**
 * The calls that each promise allows whatever their arguments. Names of all architectures: those of 32 bits have further calls for times after 2038, large
 * files and wide ids. Calls whose arguments matter are in the other files of this folder.
 */

import type { PledgePromise } from '../types.js';

/** With any promise and with none: what a process needs to compute and to exit. */
export const ALWAYS = `
  exit exit_group rt_sigreturn sigreturn restart_syscall
  brk munmap mremap madvise mincore
  futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue
  set_robust_list get_robust_list set_tid_address rseq rseq_slice_yield membarrier
  sched_yield getpid gettid rt_sigprocmask sigprocmask
  clock_gettime clock_gettime64 clock_getres clock_getres_time64 gettimeofday time
  getrandom map_shadow_stack mseal
  uretprobe uprobe
  set_tls get_tls cacheflush set_thread_area get_thread_area riscv_flush_icache riscv_hwprobe
`;

const READ_NAMES = `
  stat stat64 lstat lstat64 statx access faccessat faccessat2 readlink readlinkat getcwd
`;

export const PLAIN: Readonly<Partial<Record<PledgePromise, string>>> = {
  stdio: `
    read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 close close_range lseek _llseek
    dup dup2 dup3 pipe pipe2 fchdir fstat fstat64 fsync fdatasync ftruncate ftruncate64 fallocate umask
    fadvise64 fadvise64_64 arm_fadvise64_64 sync_file_range sync_file_range2 arm_sync_file_range
    sendfile sendfile64 copy_file_range splice tee vmsplice
    poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64
    epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2
    timerfd_create timerfd_settime timerfd_settime64 timerfd_gettime timerfd_gettime64 signalfd signalfd4
    nanosleep clock_nanosleep clock_nanosleep_time64 alarm pause getitimer setitimer
    timer_create timer_settime timer_settime64 timer_gettime timer_gettime64 timer_getoverrun timer_delete
    rt_sigaction sigaction signal sigaltstack rt_sigsuspend sigsuspend rt_sigpending sigpending
    rt_sigtimedwait rt_sigtimedwait_time64 sgetmask ssetmask
    recvfrom recv shutdown getsockname getpeername wait4 waitpid waitid
    getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32
    getgroups getgroups32 getppid getpgrp getpgid getsid capget
    getrlimit ugetrlimit getrusage times sysinfo uname olduname oldolduname getpriority getcpu
    sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
    sched_rr_get_interval sched_rr_get_interval_time64
    msync mlock mlock2 munlock mlockall munlockall pkey_alloc pkey_free
    lsm_get_self_attr lsm_list_modules
  `,
  rpath: `
    ${READ_NAMES} newfstatat fstatat64
    getdents getdents64 readdir chdir statfs statfs64 fstatfs fstatfs64 readahead cachestat file_getattr
    getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr flistxattr listxattrat
    inotify_init inotify_init1 inotify_add_watch inotify_rm_watch
  `,
  wpath: `${READ_NAMES} newfstatat fstatat64 truncate truncate64 sync syncfs`,
  cpath: `
    mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat
    ${READ_NAMES} newfstatat fstatat64
  `,
  tmppath: 'unlink lstat lstat64 statx newfstatat fstatat64',
  fattr: `
    utime utimes futimesat utimensat utimensat_time64 file_setattr
    setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat
  `,
  chown: 'chown chown32 fchown fchown32 lchown lchown32 fchownat',
  flock: 'flock',
  unix: 'connect bind listen accept accept4 getsockname getpeername sendto send sendmsg sendmmsg recvmsg recvmmsg recvmmsg_time64',
  inet: 'connect bind listen accept accept4 getsockname getpeername sendto send sendmsg sendmmsg recvmsg recvmmsg recvmmsg_time64',
  anet: 'listen accept accept4 getsockname getpeername',
  dns: `
    connect bind getsockname getpeername sendto send sendmsg sendmmsg recvmsg recvmmsg recvmmsg_time64
    stat stat64 lstat lstat64 statx newfstatat fstatat64
  `,
  recvfd: 'recvmsg recvmmsg recvmmsg_time64',
  sendfd: 'sendmsg sendmmsg',
  proc: `
    fork vfork kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal
    setpgid setsid setpriority setrlimit
    sched_setaffinity sched_setparam sched_setscheduler sched_setattr sched_getattr ioprio_get ioprio_set
  `,
  exec: 'execve execveat',
  id: `
    setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32
    setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 setrlimit setpriority
  `,
  settime: 'settimeofday stime clock_settime clock_settime64 adjtimex clock_adjtime clock_adjtime64',
  ps: 'stat stat64 lstat lstat64 statx newfstatat fstatat64 readlink readlinkat getdents getdents64 chdir sched_getattr ioprio_get',
  vminfo: 'stat stat64 lstat lstat64 statx newfstatat fstatat64',
  getpw: 'stat stat64 lstat lstat64 statx newfstatat fstatat64',
  unveil: 'landlock_create_ruleset landlock_add_rule landlock_restrict_self',
};

/**
 * What libraries merely try, and do without when the kernel does not have it: answered with ENOSYS where no promise allows it, and no violation.
 * clone3, openat2 and io_uring stay so with all promises: what they would do is behind a pointer, where a filter cannot look.
 */
export const QUIET = `
  clone3 openat2 io_uring_setup io_uring_enter io_uring_register
  statx faccessat2 fchmodat2 memfd_secret statmount listmount listns
  get_mempolicy set_mempolicy_home_node
`;
