// SPDX-License-Identifier: Apache-2.0
// Tells when somebody touches a database file or its log (inotify on their folder).
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace flannel {

class FolderWatch {
 public:
  // ErrorKind::exhausted: this user has too many inotify instances already.
  static Result<FolderWatch> open(const std::string& database_path);

  int fd() const { return fd_.get(); }  // readable: take() has something

  // Takes what came since, as much as can be looked at at once: whoever writes to another file of
  // the folder without end must not keep us here. True: the file or its log is being written, which
  // may be visible only a moment later.
  bool take();

 private:
  static constexpr int kMostReads = 16;  // of a hundred events

  FolderWatch(Fd fd, std::string file) : fd_(std::move(fd)), file_(std::move(file)) {}
  Fd fd_;
  std::string file_;  // without its folder
};

// What a flannel does after it has committed: the others are told by FolderWatch.
void tell_others(const std::string& database_path);

}  // namespace flannel
