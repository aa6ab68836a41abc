// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace flannel {

// A file in which processes lock single bytes, each of which stands for one resource. The kernel
// releases a lock when the process ends, however it ends, and the lock is visible in all
// namespaces: it belongs to the open file (fcntl(2), "open file description locks"). A process that
// cannot open the file cannot lock anything in it.
class LockFile {
 public:
  enum class Kind { shared, exclusive };

  // Opens the file, or creates it with mode 0600 and its folder with mode 0755. ErrorKind::denied:
  // the path is a link or no plain file, or the file belongs to another user.
  static Result<LockFile> open(const std::string& path);
  // Opens an existing file that other users may read: see locked_to_write().
  static Result<LockFile> of(const std::string& path);

  // Returns the byte that stands for `name`. It is never 0: callers may use byte 0 as they like.
  static std::uint64_t byte_of(std::string_view name);

  // Never waits. False: another open file has a lock that conflicts with this one.
  Result<bool> lock(std::uint64_t byte, Kind kind);
  // Waits up to a second for a lock that every process holds only briefly.
  Result<bool> lock_soon(std::uint64_t byte);
  void unlock(std::uint64_t byte);

  // True if another open file has a lock of any kind on a byte in [first, last].
  Result<bool> locked_by_others(std::uint64_t first, std::uint64_t last) const;
  // True if another open file has an exclusive lock on `byte`. Only a descriptor that is open for
  // writing can have one.
  Result<bool> locked_to_write(std::uint64_t byte) const;

  // Writes a note into the file, for people who read it.
  void write_note(std::string_view note);
  std::string note() const;

  // Gives up the descriptor; the locks last until it is closed.
  Fd take_fd() { return std::move(fd_); }

 private:
  LockFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Fd fd_;
  std::string path_;
};

}  // namespace flannel
