// What this machine can enforce, found by trying.

#ifndef CLOISTER_PROBE_PROBE_H_
#define CLOISTER_PROBE_PROBE_H_

namespace cloister::probe {

// Prints lines of key=value to standard output. Returns the exit status of the process.
int PrintProbe();

}  // namespace cloister::probe

#endif  // CLOISTER_PROBE_PROBE_H_
