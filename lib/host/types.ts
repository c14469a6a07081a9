/** What this machine can enforce, found by trying. */
export interface Support {
  /** As process.platform. */
  platform: string;
  /** Release of the kernel. For people only: nothing is decided by it. */
  kernel: string;
  /** As process.arch. */
  arch: string;
  landlock: { abi: number; fs: string[]; net: string[]; scope: string[] } | null;
  seccomp: { filter: boolean; userNotification: boolean; threadSync: boolean; actions: string[] } | null;
  namespaces: {
    user: boolean;
    mount: boolean;
    pid: boolean;
    net: boolean;
    ipc: boolean;
    uts: boolean;
    cgroup: boolean;
    time: boolean;
  };
  /** Why unprivileged namespaces do not work, in words with the mend. */
  namespacesBlockedBy?: string;
  cgroup: { version: 'v2' | 'v1'; writable: boolean; controllers: string[] } | null;
  backends: ('namespaces' | 'landlock' | 'chroot')[];
}
