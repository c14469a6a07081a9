// What this machine can enforce, found by trying.

#ifndef CLOISTER_PROBE_PROBE_H_
#define CLOISTER_PROBE_PROBE_H_

namespace cloister::probe {

// Prints lines of key=value to standard output. Returns the exit status of the process.
//
//   kernel, arch
//   userns mountns pidns netns ipcns utsns cgroupns timens   ok, or ERROR:stage (clone, ids)
//   tmpfsmount procmount overlay idmap                       ok, or ERROR
//   landlock_abi                                             0: none
//   seccomp_filter seccomp_user_notification seccomp_tsync   0 or 1
//   seccomp_actions                                          names, comma-separated
//   real_root nproc_per_namespace                            0 or 1
//   cgroup                                                   v2, v1 or none
//   cgroup_writable                                          0 or 1
//   cgroup_controllers                                       names, comma-separated
//   cgroup_usable                                            NAME:v2 or NAME:v1, comma-separated
//   apparmor_restrict_userns max_user_namespaces unprivileged_userns_clone   value, or absent
int PrintProbe();

}  // namespace cloister::probe

#endif  // CLOISTER_PROBE_PROBE_H_
