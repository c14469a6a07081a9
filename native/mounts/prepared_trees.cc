#include "native/mounts/prepared_trees.h"

#include <fcntl.h>

#include <cerrno>

#include "native/linux/syscalls.h"

namespace cloister {

namespace {

Failure MountsFailure(long error, const char* syscall, const char* detail) {
  return {Stage::k_mounts, static_cast<int>(-error), syscall, detail};
}

Result<UniqueFd> PrepareTree(const plan::MountOperation& op, int user_namespace) {
  const char* path = op.from.path;
  // The path was resolved at plan time; a link that appeared in it since is not followed.
  const long source = sys::Openat2(AT_FDCWD, path, O_PATH | O_CLOEXEC, uapi::kResolveNoSymlinks);
  if (source == -ENOENT && (op.flags & plan::kOptional) != 0) {
    return UniqueFd();
  }
  if (source < 0) {
    return MountsFailure(source, "openat2", path);
  }
  const UniqueFd source_fd(static_cast<int>(source));
  const unsigned recursive = (op.flags & plan::kRecursive) != 0 ? uapi::kAtRecursive : 0;
  const long tree = sys::OpenTree(
      source_fd.Get(), "",
      uapi::kOpenTreeClone | uapi::kOpenTreeCloexec | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | recursive);
  if (tree < 0) {
    return MountsFailure(tree, "open_tree", path);
  }
  UniqueFd tree_fd(static_cast<int>(tree));
  uapi::MountAttr attributes = {uapi::kMountAttrIdMap, 0, 0,
                                static_cast<std::uint64_t>(user_namespace)};
  const long result = sys::MountSetattr(tree_fd.Get(), AT_EMPTY_PATH | recursive, &attributes);
  if (result < 0) {
    return MountsFailure(result, "mount_setattr (id map)", path);
  }
  return tree_fd;
}

}  // namespace

Result<std::vector<UniqueFd>> PrepareTrees(const plan::Plan& plan, HostId* id) {
  std::vector<UniqueFd> trees(plan.mounts.size);
  if (id == nullptr) {
    return trees;
  }
  for (std::size_t i = 0; i < plan.mounts.size; ++i) {
    const plan::MountOperation& op = plan.mounts[i];
    if (op.kind != plan::MountKind::kBind || (op.flags & plan::kIdMapped) == 0 ||
        op.from.tree != plan::Tree::kHost) {
      continue;
    }
    Result<int> user_namespace = id->MountNamespace();
    if (!user_namespace.Ok()) {
      return user_namespace.Error();
    }
    Result<UniqueFd> tree = PrepareTree(op, user_namespace.Value());
    if (!tree.Ok()) {
      return tree.Error();
    }
    trees[i] = std::move(tree.Value());
  }
  return trees;
}

}  // namespace cloister
