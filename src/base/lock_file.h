// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace flannel {

// A file in which processes lock single bytes, each for something that it stands for. The kernel
// ends a lock with the process, however that ends, and shows it across all namespaces: it belongs
// to the open file (fcntl(2), "open file description locks"). Who cannot open the file can lock
// nothing in it.
class LockFile {
 public:
  enum class Kind { shared, exclusive };

  // Opens or makes it, for us alone (0600), with its folder (0755). ErrorKind::denied: it is a
  // link, no plain file, or another user's.
  static Result<LockFile> open(const std::string& path);
  // A file that is there and others may read: see locked_to_write().
  static Result<LockFile> of(const std::string& path);

  // The byte that stands for `name`, never 0: that one is left to the users.
  static std::uint64_t byte_of(std::string_view name);

  // Never waits; false: another open file has a lock that excludes this one.
  Result<bool> lock(std::uint64_t byte, Kind kind);
  // Waits a second for it: a lock that everybody keeps for a moment only.
  Result<bool> lock_soon(std::uint64_t byte);
  void unlock(std::uint64_t byte);

  // Another open file has a lock of any kind on a byte of [first, last].
  Result<bool> locked_by_others(std::uint64_t first, std::uint64_t last) const;
  // Another open file has an exclusive lock on it, which takes a descriptor to write with.
  Result<bool> locked_to_write(std::uint64_t byte) const;

  // A note for people in the file.
  void write_note(std::string_view note);
  std::string note() const;

  // The locks hold as long as it is open.
  Fd take_fd() { return std::move(fd_); }

 private:
  LockFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Fd fd_;
  std::string path_;
};

}  // namespace flannel
