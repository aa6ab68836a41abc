// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace flannel {

struct TcpListener {
  Fd fd;  // non-blocking
  std::uint16_t port = 0;
};

// Opens a listening socket on `ip` (IPv4 or IPv6 text) and `port`; port 0 means any free port.
Result<TcpListener> listen_tcp(const std::string& ip, std::uint16_t port);

// Opens a listening, non-blocking unix socket at the absolute `path`, in place of a socket to which
// no process listens any more. The folder is made if it is missing. The owner of the process and
// the members of `group` may connect (mode 0660); empty, or no such group: the owner alone (mode
// 0600 if it is empty).
// ErrorKind::exists: another process listens there; conflict: something that is no socket is there.
Result<Fd> listen_unix(const std::string& path, const std::string& group);

// The file of a unix socket on which this process listens. The destructor removes it, unless
// another process has put its own there.
class UnixSocketFile {
 public:
  // Empty: there is no file.
  explicit UnixSocketFile(std::string path);
  ~UnixSocketFile();
  UnixSocketFile(const UnixSocketFile&) = delete;
  UnixSocketFile& operator=(const UnixSocketFile&) = delete;

 private:
  std::string path_;
  std::uint64_t inode_ = 0;
};

}  // namespace flannel
