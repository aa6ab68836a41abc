// SPDX-License-Identifier: Apache-2.0
// A relay to a server of 127.0.0.1 that can swallow answers and cut connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "base/fd.h"

namespace flannel {

class TcpRelay {
 public:
  explicit TcpRelay(std::uint16_t to);
  ~TcpRelay();
  TcpRelay(const TcpRelay&) = delete;
  TcpRelay& operator=(const TcpRelay&) = delete;

  std::uint16_t port() const { return port_; }
  // Discards everything that the server sends on any connection, until cut().
  void swallow_answers() { swallow_ = true; }
  // Closes every connection; new ones work.
  void cut();

 private:
  void run();

  std::uint16_t port_ = 0;
  std::uint16_t to_;
  Fd listener_, wake_;
  std::atomic<bool> swallow_{false}, cut_{false}, stop_{false};
  std::thread thread_;
};

}  // namespace flannel
