// SPDX-License-Identifier: Apache-2.0
// Notices when another process writes to a database file or its log, by inotify on their folder.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace flannel {

class FolderWatch {
 public:
  // ErrorKind::exhausted: this user has too many inotify instances already.
  static Result<FolderWatch> open(const std::string& database_path);

  int fd() const { return fd_.get(); }  // readable if take() has events

  // Reads the events so far, but a limited number, so that continuous writes to another file of the
  // folder do not keep this thread busy. True: the file or its log is being written; the change may
  // become visible only a moment later.
  bool take();

 private:
  static constexpr int kMostReads = 16;  // of a hundred events

  FolderWatch(Fd fd, std::string file) : fd_(std::move(fd)), file_(std::move(file)) {}
  Fd fd_;
  std::string file_;  // without its folder
};

// Makes the FolderWatch of other processes notice a change. To be called after each commit.
void notify_other_processes(const std::string& database_path);

}  // namespace flannel
