// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/control.h"
#include "daemon/node.h"
#include "http/message.h"
#include "loop/loop_gate.h"
#include "loop/timer.h"
#include "status/board.h"
#include "status/live_view.h"

namespace flannel {

// Serves the status page: docs/status-page.md. Made and destroyed on the loop thread.
class StatusPage {
 public:
  struct Parts {
    Loop& loop;  // all must outlive this object
    Node& node;
    Control& control;  // which answers what the page asks
    const StatusBoard& board;
    std::string network;  // that the page shows; empty: the first one
    std::string token;    // that data need; empty: none
  };

  explicit StatusPage(Parts parts);

  // The handler runs on the thread of the server. It must not be called after the end of this
  // object.
  HttpHandler handler();

 private:
  struct Stream {
    HttpSink sink;
    bool is_new = true;  // it has not got a whole view yet
  };

  // An answer about all peers, which is made at most once a second.
  struct Peers {
    TimePoint at;
    control::PeersView view;
    std::once_flag once;  // the text is made on the server's thread
    HttpResponse answer;
  };

  void give_peers(const HttpReply& reply);
  void add(const HttpSink& sink);
  void send();
  void sample();
  HealthRows* health_rows() const;
  std::vector<std::string> devices() const;
  std::string network() const;
  LiveView view() const;

  Parts parts_;
  HttpHandler control_;
  std::shared_ptr<Peers> peers_;  // null: nobody has asked yet
  std::vector<Stream> streams_;
  std::uint64_t sent_ = 0;  // rounds of events
  LoadHistory load_;
  std::shared_ptr<const std::deque<LoadSample>> shown_load_;             // a copy of load_
  std::shared_ptr<LiveEvents> events_ = std::make_shared<LiveEvents>();  // on the server's thread
  Timer send_due_{parts_.loop, [this] { send(); }};
  Timer sample_due_{parts_.loop, [this] { sample(); }};
  LoopGate gate_{parts_.loop};
};

}  // namespace flannel
