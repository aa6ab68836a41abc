// SPDX-License-Identifier: Apache-2.0
#include "daemon/state_locks.h"

#include <fmt/format.h>
#include <limits.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <utility>

#include "base/file.h"
#include "base/lock_file.h"
#include "base/log.h"
#include "base/network_namespace.h"
#include "base/parse.h"
#include "core/state_folder.h"

namespace flannel {
namespace {

namespace fs = std::filesystem;

// Locked while other locks are searched and ours is taken, so that two processes that start at once
// do so one after the other.
constexpr std::uint64_t kGate = 0;
constexpr std::uint64_t kLastByte = std::numeric_limits<off_t>::max() - 1;

// Returns "process 4711 on node-a". The name distinguishes containers, whose process ids may
// be equal.
std::string this_process() {
  char host[HOST_NAME_MAX + 1] = "";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("process {} on {}", ::getpid(), host);
}

// Includes the boot id, since machines that share a network file system have equal namespace
// numbers.
Result<std::string> this_host() {
  const auto boot = read_file("/proc/sys/kernel/random/boot_id");
  return fmt::format("{} {}", TRY(this_network_namespace()), boot ? trim(*boot) : "");
}

// False: another host has a lock on its byte.
Result<bool> lock_for_this_host(LockFile& file) {
  const std::uint64_t own = LockFile::byte_of(TRY(this_host()));
  if (!TRY(file.lock_soon(kGate))) {
    return fail(ErrorKind::unavailable, "another process keeps it from being looked at");
  }
  const bool others = TRY(file.locked_by_others(kGate + 1, own - 1)) ||
                      TRY(file.locked_by_others(own + 1, kLastByte));
  const bool taken = !others && TRY(file.lock(own, LockFile::Kind::shared));
  if (taken) file.write_note(this_process());
  file.unlock(kGate);
  return taken;
}

std::vector<Fd> held(LockFile file) {
  std::vector<Fd> fds;
  fds.push_back(file.take_fd());
  return fds;
}

std::vector<Fd> unlocked(const std::string& folder, const Error& why) {
  std::error_code error;
  if (fs::exists(fs::path(folder) / kNodeIdFile, error)) {
    log::warning("the state folder cannot be locked; make sure that no other host uses it",
                 {{"folder", folder}, {"why", why.text}});
  }
  return {};
}

// Locks a file in the folder of `file`, against processes that replace `file` by rename().
Result<bool> lock_beside(const fs::path& file, std::vector<Fd>& fds) {
  auto lock = LockFile::open((file.parent_path() / "claims.lock").string());
  if (!lock) return true;
  const std::string name = "file " + file.filename().string();
  const auto taken = lock->lock(LockFile::byte_of(name), LockFile::Kind::exclusive);
  if (taken && !*taken) return false;
  fds.push_back(lock->take_fd());
  return true;
}

// Locks the file itself, because a file that is mounted into several folders is never replaced.
// Every user may read the file, so a shared lock, which needs only read access, does not count.
bool lock_itself(const fs::path& file, std::vector<Fd>& fds) {
  auto lock = LockFile::of(file.string());
  if (!lock) return true;
  const std::uint64_t byte = LockFile::byte_of("itself");
  const auto taken = lock->lock(byte, LockFile::Kind::exclusive);
  const auto others = lock->locked_to_write(byte);
  if (taken && !*taken && others && *others) return false;
  fds.push_back(lock->take_fd());
  return true;
}

}  // namespace

Result<std::vector<Fd>> lock_state_folder(const std::string& folder) {
  auto file = LockFile::open(fs::path(folder) / kStateLockFile);
  if (!file) return unlocked(folder, file.error());
  const auto taken = lock_for_this_host(*file);
  if (!taken) return unlocked(folder, taken.error());
  if (*taken) return held(*std::move(file));
  const std::string holder = file->note();
  return fail(
      ErrorKind::exists,
      fmt::format("the state folder {} is in use by a flanneld of another network namespace "
                  "or machine{}; two hosts with one state folder have one node id and one "
                  "MAC address, so neither would get its packets: give each host a folder "
                  "of its own with --state-dir=",
                  folder, holder.empty() ? "" : fmt::format(" (taken last by {})", holder)));
}

Result<std::vector<Fd>> lock_subnet_file(const std::string& path) {
  std::vector<Fd> fds;
  const auto end = end_of_links(path);
  if (!end) return fds;
  const fs::path file(*end);
  if (TRY(lock_beside(file, fds)) && lock_itself(file, fds)) return fds;
  return fail(ErrorKind::exists,
              fmt::format("the subnet file {} belongs to another flanneld that runs; each would "
                          "overwrite what the other has written there: give each a file of its "
                          "own with --subnet-file=",
                          path));
}

}  // namespace flannel
