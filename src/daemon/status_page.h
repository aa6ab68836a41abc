// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
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
    // The network that the page shows unless it is asked for another; empty: the first by name.
    std::string network;
    std::string token;  // that data need; empty: none
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

  // What the page has of one network.
  struct Shown {
    std::shared_ptr<Peers> peers;  // null: nobody has asked yet
    std::vector<Stream> streams;
    LoadHistory load;
    // A copy of `load`.
    std::shared_ptr<const std::deque<LoadSample>> shown_load =
        std::make_shared<std::deque<LoadSample>>();
    std::shared_ptr<LiveEvents> events = std::make_shared<LiveEvents>();  // on the server's thread
  };

  std::string network_of(const HttpRequest& request) const;
  void give_peers(const std::string& network, const HttpReply& reply);
  void add(const std::string& network, const HttpSink& sink);
  void send();
  bool send(const std::string& network, Shown& shown, bool beats);
  void sample();
  HealthRows* health_rows(const std::string& network) const;
  std::vector<std::string> devices(const std::string& network) const;
  LiveView view(const std::string& network, const Shown& shown) const;

  Parts parts_;
  HttpHandler control_;
  std::map<std::string, Shown> shown_;  // by the name of the network
  std::uint64_t sent_ = 0;              // rounds of events
  Timer send_due_{parts_.loop, [this] { send(); }};
  Timer sample_due_{parts_.loop, [this] { sample(); }};
  LoopGate gate_{parts_.loop};
};

}  // namespace flannel
