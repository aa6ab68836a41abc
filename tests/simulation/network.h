// SPDX-License-Identifier: Apache-2.0
// The way of one host to the store, and the Registry at its end: every message takes its time, may
// be lost, and may be overtaken by those of other calls. A watch is a stream: its changes come in
// order, late, or not at all until the break is noticed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/life_token.h"
#include "core/registry.h"
#include "simulation/chance.h"
#include "simulation/machine.h"
#include "simulation/store.h"

namespace flannel::simulation {

// What all hosts share.
struct Service {
  Timeline& timeline;
  Chance& chance;
  Store& store;
  // False: watches read whole lists, as those of Consul do. Of the changes between two lists they
  // report the last one of each key, the deletions last.
  bool keeps_history = true;
  // The time between two such lists.
  static constexpr std::chrono::milliseconds kBetweenLists{100};
  // False: a process keeps the configuration that it began with, as those of releases do that did
  // not follow changes.
  bool follows_config = true;
  bool serving = true;
  std::uint64_t connections = 0;  // grows when all connections of before are cut
  std::uint64_t calls = 0;        // that arrived,
  std::uint64_t lists = 0;        // and those of them that were for everything
};

struct Link {
  bool cut = false;
  unsigned loss = 0;  // percent of the messages
  Duration slowest = std::chrono::milliseconds(20);
  Duration watch_lag{};  // by how much changes come later than answers
  bool lies = false;     // the next list lacks most of the records
  TimePoint lied_at{};   // the last time that it did
  std::uint64_t calls = 0;
};

// What a message needs on its way; it may be under way longer than its process lives.
struct Wire {
  Service& service;
  Link& link;
  Machine& machine;
  std::weak_ptr<int> process;

  bool loses() const { return link.cut || service.chance.percent(link.loss); }
  void send(Timeline::Work arrival, Duration extra = {}) const {
    const auto travel = service.chance.between(std::chrono::microseconds(100), link.slowest);
    service.timeline.after(travel + extra, std::move(arrival));
  }
  void deliver(Machine::Work work) const { machine.deliver(process, std::move(work)); }
};

struct WatchStream;

// A registry of one process. What it is given outlives it. `who` tells at each call who writes.
class SimulatedRegistry : public Registry {
 public:
  SimulatedRegistry(Service& service, Link& link, Machine& machine, HostLoop& loop,
                    std::function<Writer()> who)
      : wire_{service, link, machine, loop.process()}, loop_(loop), who_(std::move(who)) {}

  std::string describe() const override { return "simulated"; }
  std::string config_key() const override { return "config"; }
  bool repeats_history() const override { return wire_.service.keeps_history; }
  void snapshot(Reply<Snapshot> reply) override;
  void remaining_lives(std::vector<Record> records, Reply<RemainingLives> reply) override;
  WatchHandle watch(Revision from, WatchListener listener) override;
  void create_if_absent(std::string key, std::string value, Ttl ttl,
                        Reply<WriteResult> reply) override;
  void replace_if_unchanged(Record seen, std::string value, Ttl ttl,
                            Reply<WriteResult> reply) override;
  void renew_if_unchanged(Record seen, Ttl ttl, Reply<WriteResult> reply) override;
  void release_if_unchanged(Record seen, Reply<void> reply) override;
  void write_config(std::string text, Revision seen, Reply<Revision> reply) override;
  void remove_config(Revision seen, Reply<void> reply) override;
  void list_networks(Reply<NetworkList> reply) override;

  // The link has been cut: streams that stay silent are given up.
  void on_cut();
  // Every stream breaks, as when its server goes.
  void break_streams();
  // The history of every stream is gone.
  void lose_positions();

 private:
  template <typename T>
  void call(std::function<Result<T>(Store&)> deed, Reply<T> reply);
  void keep_config(std::optional<ConfigRecord>& config);
  std::vector<Change> with_kept_config(std::vector<Change> changes);

  Wire wire_;
  HostLoop& loop_;
  std::function<Writer()> who_;
  std::uint64_t name_ = 0;                  // of the store, as of the last list
  std::optional<std::string> kept_config_;  // of a process that does not follow its changes
  std::vector<std::weak_ptr<WatchStream>> streams_;
  LifeToken life_;  // no reply comes after its end
};

}  // namespace flannel::simulation
