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

}  // namespace flannel
