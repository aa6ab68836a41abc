// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "charon/vici_port.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

// A socket that does not block. ErrorKind::not_found, unavailable: nobody listens.
Result<Fd> connect_to_charon(const std::string& path);

// A connection to the VICI socket of charon. Loop thread only.
class ViciSession final : public ViciPort {
 public:
  // An answer that takes longer ends the session.
  static constexpr std::chrono::seconds kDeadline{20};

  // `path`: of the socket. `on_end` is called once, with the reason, when the connection has ended;
  // it may destroy the session. ErrorKind::not_found, unavailable: nobody listens.
  static Result<std::unique_ptr<ViciSession>> open(Loop& loop, const std::string& path,
                                                   std::function<void(std::string why)> on_end);

  void call(std::string_view command, const ViciSection& arguments, Answered done,
            std::string_view rows = {}, Answered on_row = {}) override;

 private:
  ViciSession(Loop& loop, Fd fd, std::function<void(std::string)> on_end)
      : loop_(loop), fd_(std::move(fd)), on_end_(std::move(on_end)) {}

  Result<void> watch(std::uint32_t events);
  void on_ready();
  // Each returns why the connection cannot go on; empty: it can.
  std::string read();
  std::string write();
  std::string take_packets();
  std::string take(const ViciPacket& packet);
  void send(const ViciPacket& packet);
  void end(std::string why);

  Loop& loop_;
  Fd fd_;
  std::function<void(std::string)> on_end_;
  std::uint32_t events_ = 0;
  std::string received_, unsent_;
  std::string registered_;  // the event that charon sends us; empty: none
  ViciPacket next_;         // waits until its event is registered
  Answered done_, on_row_;
  SubscriptionPtr ready_;  // ends before the socket
  Timer late_{loop_, [this] { end("charon has not answered"); }};
  Timer ends_{loop_, [this] { end("it cannot be written to"); }};
};

}  // namespace flannel
