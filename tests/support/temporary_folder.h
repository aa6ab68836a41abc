// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace flannel {

// A temporary folder that the destructor removes. It is below /dev/shm if possible, so that fsync
// does not wait for a disk. The folders of processes that were killed are removed by the next
// process that makes one: a folder belongs to a process for as long as that has it locked. The lock
// is on a folder around it, because a store locks the folder of its file.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::once_flag once;
    std::call_once(once, remove_abandoned);
    while (!make_and_lock()) {
    }
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(locked_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

  // Removes the folders that no process has locked.
  static void remove_abandoned() {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(parent(), ignored)) {
      if (!entry.path().filename().string().starts_with(kPrefix)) continue;
      if (const Fd locked = lock(entry.path())) std::filesystem::remove_all(entry.path(), ignored);
    }
  }

 private:
  static constexpr std::string_view kPrefix = "flannel-folder-";

  static std::string parent() { return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; }

  // Returns an empty Fd if another process has the lock or has removed the folder.
  static Fd lock(const std::string& path) {
    Fd folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!folder || ::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) return {};
    return folder;
  }

  // False: another process removed the folder before it was locked.
  bool make_and_lock() {
    locked_ = parent() + "/" + std::string(kPrefix) + "XXXXXX";
    if (::mkdtemp(locked_.data()) == nullptr) std::abort();
    lock_ = lock(locked_);
    path_ = locked_ + "/folder";
    return lock_ && ::mkdir(path_.c_str(), 0700) == 0;
  }

  std::string locked_, path_;
  Fd lock_;
};

}  // namespace flannel
