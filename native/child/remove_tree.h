// Removing a directory with all that is in it. Child-safe: neither memory nor recursion, however
// deep the tree is.

#ifndef CLOISTER_CHILD_REMOVE_TREE_H_
#define CLOISTER_CHILD_REMOVE_TREE_H_

namespace cloister::child {

// Only for a tree in which nobody works any more: it is walked up by "..", which would otherwise
// lead to wherever a directory has been moved. Symbolic links are removed, never followed. 0, or a
// negative error number; a directory that is not there is no error.
long RemoveTree(const char* path) noexcept;

}  // namespace cloister::child

#endif  // CLOISTER_CHILD_REMOVE_TREE_H_
