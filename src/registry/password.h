// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/log_once.h"
#include "base/result.h"

namespace flannel {

// The password of a user of the store, and the file that it came from.
struct Password {
  std::string text;
  std::string file;         // empty: it came from elsewhere and does not change
  LogOnce unreadable = {};  // why refresh() has said that the file is

  // From a file of one line. ErrorKind::not_found: there is no such file.
  static Result<Password> read(const std::string& file);
  // Reads the file again; true if it holds another one now. Whatever is wrong with the file leaves
  // the old one, as it may be half written, and is said in the log, each reason once.
  bool refresh();
};

}  // namespace flannel
