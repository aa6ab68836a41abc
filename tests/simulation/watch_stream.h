// SPDX-License-Identifier: Apache-2.0
// One watch on its way between the store and a process.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "simulation/network.h"

namespace flannel::simulation {

struct WatchStream : std::enable_shared_from_this<WatchStream> {
  // What the process holds; dropping it ends the stream.
  class Handle final : public Subscription {
   public:
    explicit Handle(std::shared_ptr<WatchStream> stream) : stream_(std::move(stream)) {}
    ~Handle() override { stream_->drop(); }

   private:
    std::shared_ptr<WatchStream> stream_;
  };

  WatchStream(Wire of_wire, std::uint64_t of_name, Revision of_from, WatchListener of_listener)
      : wire(std::move(of_wire)),
        name(of_name),
        from(of_from),
        listener(std::move(of_listener)),
        connection(wire.service.connections) {}

  // At the store.
  void arrive();
  // In the process.
  void disconnect(const char* why);
  void notice_silence(Duration after);
  void break_off();
  void lose_position();
  // At the store: it has forgotten where the stream is.
  void forget();
  void drop();

  SubscriptionPtr unanswered;

 private:
  using Farewell = std::function<void(const WatchListener&)>;

  void send(Store::Batch batch, Revision revision);
  void pump();
  void merge();
  void end(const Farewell& farewell);
  bool is_cut_off() const { return connection != wire.service.connections; }

  Wire wire;
  std::uint64_t name;
  Revision from;
  WatchListener listener;
  std::uint64_t connection;
  bool over = false;  // the end was reported to the process, or the process closed the stream
  bool pumping = false;
  std::optional<std::uint64_t> number;  // the store's
  std::deque<std::pair<Store::Batch, Revision>> under_way;
  TimePoint cut_at{};
};

}  // namespace flannel::simulation
