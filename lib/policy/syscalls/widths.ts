/**
 * How much of each argument the kernel looks at. A filter sees whole registers; a parameter declared int gets the lower half of one, so a
 * comparison of the whole register could be passed by with a bit in the half that nobody reads.
 */

import type { SeccompArch } from '../seccomp-types.js';

/**
 * Calls with at least one argument of 32 bits. One letter for each argument, as the kernel's SYSCALL_DEFINE of the call declares it: `w` a word of
 * 32 bits (int, unsigned int, mode, pid, key, clock and descriptor numbers), `d` both words (long, size_t, loff_t, pointers).
 *
 * Some that are declared long are `w` all the same, because the kernel itself takes the lower half of them: clone's flags (lower_32_bits), ptrace's
 * pid (pid_t), mbind's mode (int), and the descriptors of mmap, readv, writev, preadv, pwritev and their successors (fdget takes an unsigned int).
 */
const SHAPES = `
accept wdd  accept4 wddw  access dw  add_key ddddw  alarm w  arch_prctl wd  bind wdw  bpf wdw  cachestat wddw
chmod dw  chown dww  clock_adjtime wd  clock_getres wd  clock_gettime wd  clock_nanosleep wwdd  clock_settime wd
clone wdddd  close w  close_range www  connect wdw  copy_file_range wdwddw  creat dw  delete_module dw  dup w  dup2 ww
dup3 www  epoll_create w  epoll_create1 w  epoll_ctl wwwd  epoll_pwait wdwwdd  epoll_pwait2 wdwddd  epoll_wait wdww
eventfd w  eventfd2 ww  execveat wdddw  exit w  exit_group w  faccessat wdw  faccessat2 wdww  fadvise64 wddw
fallocate wwdd  fanotify_init ww  fanotify_mark wwdwd  fchdir w  fchmod ww  fchmodat wdw  fchmodat2 wdww  fchown www
fchownat wdwww  fcntl wwd  fcntl64 wwd  fdatasync w  fgetxattr wddd  file_getattr wdddw  file_setattr wdddw
finit_module wdw  flistxattr wdd  flock ww  fremovexattr wd  fsconfig wwddw  fsetxattr wdddw  fsmount www  fsopen dw
fspick wdw  fstat wd  fstatfs wd  fsync w  ftruncate wd  futex dwwddw  futex_requeue dwww  futex_wait dddwdw
futex_waitv dwwdw  futex_wake ddww  futimesat wdd  get_robust_list wdd  getdents wdw  getdents64 wdw  getgroups wd
getitimer wd  getpeername wdd  getpgid w  getpriority ww  getrandom ddw  getrlimit wd  getrusage wd  getsid w
getsockname wdd  getsockopt wwwdd  getxattrat wdwddd  inotify_add_watch wdw  inotify_init1 w  inotify_rm_watch ww
io_setup wd  io_uring_enter wwwwdd  io_uring_register wwdw  io_uring_setup wd  ioctl wwd  ioperm ddw  iopl w
ioprio_get ww  ioprio_set www  ipc wwdddd  kcmp wwwdd  kexec_file_load wwddd  keyctl wdddd  kill ww
landlock_add_rule wwdw  landlock_create_ruleset ddw  landlock_restrict_self ww  lchown dww  linkat wdwdw  listen ww
listmount dddw  listns dddw  listxattrat wdwdd  lseek wdw  lsetxattr ddddw  lsm_get_self_attr wddw
lsm_list_modules ddw  lsm_set_self_attr wdww  madvise ddw  map_shadow_stack ddw  mbind ddwddw  membarrier www
memfd_create dw  memfd_secret w  migrate_pages wddd  mkdir dw  mkdirat wdw  mknod dww  mknodat wdww  mlock2 ddw
mlockall w  mmap ddddwd  modify_ldt wdd  mount_setattr wdwdd  move_mount wdwdw  move_pages wddddw  mq_getsetattr wdd
mq_notify wd  mq_open dwwd  mq_timedreceive wdddd  mq_timedsend wddwd  msgctl wwd  msgget ww  msgrcv wdddw
msgsnd wddw  msync ddw  name_to_handle_at wdddw  newfstatat wddw  open dww  open_by_handle_at wdw  open_tree wdw
open_tree_attr wdwdd  openat wdww  openat2 wddd  perf_event_open dwwwd  personality w  pidfd_getfd www  pidfd_open ww
pidfd_send_signal wwdw  pipe2 dw  pkey_free w  pkey_mprotect dddw  poll dww  ppoll dwddd  prctl wdddd  pread64 wddd
preadv wdddd  preadv2 wddddw  prlimit64 wwdd  process_madvise wddww  process_mrelease ww  process_vm_readv wddddd
process_vm_writev wddddd  pselect6 wddddd  ptrace dwdd  pwrite64 wddd  pwritev wdddd  pwritev2 wddddw  quotactl wdwd
quotactl_fd wwwd  read wdd  readahead wdd  readlink ddw  readlinkat wddw  readv wdd  reboot wwwd  recvfrom wddwdd
recvmmsg wdwwd  recvmsg wdw  removexattrat wdwd  renameat wdwd  renameat2 wdwdw  request_key dddw  riscv_hwprobe ddddw
rseq dwww  rt_sigaction wddd  rt_sigprocmask wddd  rt_sigqueueinfo wwd  rt_tgsigqueueinfo wwwd
sched_get_priority_max w  sched_get_priority_min w  sched_getaffinity wwd  sched_getattr wdww  sched_getparam wd
sched_getscheduler w  sched_rr_get_interval wd  sched_setaffinity wwd  sched_setattr wdw  sched_setparam wd
sched_setscheduler wwd  seccomp wwd  select wdddd  semctl wwwd  semget www  semop wdw  semtimedop wdwd  sendfile wwdd
sendmmsg wdww  sendmsg wdw  sendto wddwdw  set_mempolicy wdd  setdomainname dw  setfsgid w  setfsuid w  setgid w
setgroups wd  sethostname dw  setitimer wdd  setns ww  setpgid ww  setpriority www  setregid ww  setresgid www
setresuid www  setreuid ww  setrlimit wd  setsockopt wwwdw  setuid w  setxattr ddddw  setxattrat wdwddd  shmat wdw
shmctl wwd  shmget wdw  shutdown ww  signalfd wdd  signalfd4 wddw  socket www  socketcall wd  socketpair wwwd
splice wdwddw  statmount dddw  statx wdwwd  swapon dw  symlinkat dwd  sync_file_range wddw  syncfs w  sysfs wdd
syslog wdw  tee wwdw  tgkill www  timer_create wdd  timer_delete w  timer_getoverrun w  timer_gettime wd
timer_settime wwdd  timerfd_create ww  timerfd_gettime wd  timerfd_settime wwdd  tkill ww  umask w  umount2 dw
unlinkat wdw  userfaultfd w  ustat wd  utimensat wddw  vmsplice wddw  wait4 wdwd  waitid wwdwd  write wdd  writev wdd
`;

/**
 * Calls of x32 that have an entry of their own there (arch/x86/entry/syscalls/syscall_64.tbl, abi x32) with narrower parameters than x86_64's: longs
 * and sizes have 32 bits in it.
 */
const X32_SHAPES = `
io_submit wwd  ioctl www  kexec_load wwdw  ptrace wwww  recvfrom wdwwdd  rt_sigaction wddw  rt_sigpending dw
rt_sigtimedwait dddw  set_robust_list dw
`;

type Shapes = ReadonlyMap<string, string>;

let shapes: Shapes | undefined;
let x32Shapes: Shapes | undefined;

/**
 * What a condition compares when the rule does not say: 32 for arguments like int; 64 for all others, those of unknown calls among them.
 *
 * @param arch matters for x32 only; where registers have 32 bits, both widths compare the same
 */
export function argumentWidth(syscall: string | undefined, index: number, arch?: SeccompArch): 32 | 64 {
  shapes ??= readShapes(SHAPES);
  x32Shapes ??= readShapes(X32_SHAPES);
  const name = syscall ?? '';
  const shape = (arch === 'x32' ? x32Shapes.get(name) : undefined) ?? shapes.get(name);
  return shape?.[index] === 'w' ? 32 : 64;
}

function readShapes(written: string): Shapes {
  const words = written.trim().split(/\s+/);
  return new Map(words.flatMap((name, index) => (index % 2 === 0 ? [[name, words[index + 1] ?? ''] as const] : [])));
}
