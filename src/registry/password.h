// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/log_once.h"
#include "base/result.h"

namespace flannel {

// What a store asks for as a proof of identity, a password or a token, and the file from which it
// was read.
struct Password {
  std::string text;
  std::string file;         // empty: the password has no file and does not change
  LogOnce unreadable = {};  // the reasons that refresh() has logged

  std::string what = "etcd password";  // for messages

  // Reads the password from a file of one line. ErrorKind::not_found: there is no such file.
  static Result<Password> read(const std::string& file, std::string what = "etcd password");
  // Reads the file again; true if the password has changed. If the file cannot be read or is
  // invalid, since it may be half written, the old password is kept; each reason is logged once.
  bool refresh();
};

}  // namespace flannel
