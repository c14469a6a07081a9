// The launcher in the place of the program that called enterCell: the same process, which now only
// stands before the cell that the program runs in again.

#ifndef CLOISTER_LAUNCHER_ENTER_H_
#define CLOISTER_LAUNCHER_ENTER_H_

namespace cloister::launcher {

// Runs the plan (a sealed memfd) in a cell, with this process's own standard descriptors and the
// proof (a sealed memfd, native/wire/proof.h) as the command's descriptor 3. `serve` runs the
// launcher's loop on its socket in a child of this process.
//
// Signals that arrive here go to the command; what becomes of the command becomes of this process:
// its exit status or its signal. Statuses of its own are those of `cloister run`.
[[noreturn]] void Enter(int plan, int proof, int (*serve)());

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_ENTER_H_
