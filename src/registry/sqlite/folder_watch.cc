// SPDX-License-Identifier: Apache-2.0
#include "registry/sqlite/folder_watch.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <utility>

namespace flannel {

// SQLite first writes its log and then makes the change visible in shared memory, which inotify
// does not report. A written log is therefore only a hint, and after a commit the times of the file
// are changed as well.
Result<FolderWatch> FolderWatch::open(const std::string& database_path) {
  const std::filesystem::path path(database_path);
  const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
  Fd fd{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
  if (!fd) return os_error("create inotify");
  const std::uint32_t events = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
                               IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
  if (::inotify_add_watch(fd.get(), folder.c_str(), events) < 0) {
    return os_error("watch folder " + folder);
  }
  return FolderWatch(std::move(fd), path.filename().string());
}

bool FolderWatch::take() {
  bool written = false;
  alignas(inotify_event) char buffer[4096];
  for (int reads = 0; reads < kMostReads; ++reads) {
    const ssize_t got = ::read(fd_.get(), buffer, sizeof buffer);
    if (got <= 0) return written;
    for (ssize_t at = 0; at < got;) {
      inotify_event event{};
      std::memcpy(&event, buffer + at, sizeof event);
      const std::string_view name(event.len > 0 ? buffer + at + sizeof event : "");
      at += static_cast<ssize_t>(sizeof event + event.len);
      // The queue has overflown, or the event is about the folder: any file may have changed.
      const bool anything = event.len == 0;
      if (!anything && name != file_ && name != file_ + "-wal") continue;
      if (anything || (event.mask & IN_MODIFY) != 0) written = true;
    }
  }
  return written;
}

void notify_other_processes(const std::string& database_path) {
  // A failure only delays the others, until they notice another event.
  ::utimensat(AT_FDCWD, database_path.c_str(), nullptr, 0);
}

}  // namespace flannel
