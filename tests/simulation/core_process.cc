// SPDX-License-Identifier: Apache-2.0
// What a daemon is to its store and to the other hosts, without backend and kernel: for crowds.
#include <algorithm>

#include "daemon/lease_runner.h"
#include "daemon/store_follower.h"
#include "simulation/host.h"

namespace flannel::simulation {
namespace {

class CoreProcess final : public Process {
 public:
  CoreProcess(Host& host, bool with_table)
      : host_(host),
        loop_(host.service.timeline, host.machine),
        registry_(host.service, host.link, host.machine, loop_, [&host] { return host.writer(); }),
        follower_(registry_, loop_, host.service.chance.random(),
                  {.on_snapshot = [this](const Snapshot& all) { on_snapshot(all); },
                   .on_changes = [this](const auto& changes) { on_changes(changes); },
                   .on_connection = [] {},
                   .on_resumed =
                       [this] {
                         if (runner_) runner_->on_resumed();
                       }}) {
    if (with_table) table_.emplace();
  }

  void start() override { follower_.start(); }
  void drain(bool drained) override {
    if (!runner_) return;
    if (drained) runner_->drain();
    if (!drained) runner_->undrain();
  }
  const NetworkConfig* config() const override { return config_ ? &*config_ : nullptr; }
  const LeaseKeeper* keeper() const override { return runner_ ? &runner_->keeper() : nullptr; }
  const LeaseTable* table() const override { return table_ ? &*table_ : nullptr; }
  Peers peers() const override { return table_ ? table_->leases() : Peers(); }
  bool connected() const override { return follower_.connected(); }
  std::vector<std::string> troubles() const override {
    if (!runner_ || !runner_->problem()) return {};
    return {sentence(*runner_->problem())};
  }
  SimulatedRegistry& registry() override { return registry_; }

 private:
  void on_snapshot(const Snapshot& all) {
    if (table_) table_->apply_snapshot(all);
    if (runner_) return runner_->on_snapshot(all);
    if (!all.config) return follower_.list_again();
    config_ = parse_network_config(all.config->text)->config;
    runner_.emplace(LeaseKeeper(
                        host_.keeper_options, *config_, host_.used_ips(),
                        [attributes = announcement()](const Lease*) { return attributes; },
                        std::nullopt, host_.service.chance.random()),
                    registry_, follower_, loop_,
                    LeaseRunner::Listener{.on_active = [](const Lease&) {}, .on_state = [] {}});
    if (host_.drained) return runner_->drain(&all);
    runner_->start(table_ ? all : own_record(all));
  }
  // A host that has a record chooses it, whatever the others are; to decode the records of a crowd
  // for each of its hosts takes hours.
  Snapshot own_record(const Snapshot& all) const {
    const std::string ours = encode_lease_value(announcement());
    const auto found = std::ranges::find(all.records, ours, &Record::value);
    if (found == all.records.end()) return all;
    return {all.revision, all.config, {*found}};
  }
  LeaseAttributes announcement() const {
    LeaseAttributes attributes = LeaseAttributes::of_host(host_.used_ips());
    attributes.backend_type = "host-gw";
    return attributes;
  }
  void on_changes(const std::vector<Change>& changes) {
    for (const Change& change : changes) {
      if (table_) table_->apply(change);
      if (runner_) runner_->on_change(change);
    }
  }

  Host& host_;
  HostLoop loop_;
  SimulatedRegistry registry_;
  StoreFollower follower_;
  std::optional<NetworkConfig> config_;
  std::optional<LeaseTable> table_;
  std::optional<LeaseRunner> runner_;
};

}  // namespace

std::unique_ptr<Process> make_core_process(Host& host, bool with_table) {
  return std::make_unique<CoreProcess>(host, with_table);
}

}  // namespace flannel::simulation
