// SPDX-License-Identifier: Apache-2.0
// The agent of one host: waits for the network configuration, chooses the underlay, takes a
// lease, programs the kernel, writes subnet.env, and then follows the store.
//
//   start ─▶ config? ─▶ underlay, backend ─▶ lease ─▶ kernel ─▶ subnet.env ─▶ ready ─▶ follow
//              │ waits for it, said once        │ retried for ever
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/fd.h"
#include "core/known_peers.h"
#include "core/lease_table.h"
#include "daemon/host_check.h"
#include "daemon/lease_runner.h"
#include "daemon/network_check.h"
#include "daemon/overlay.h"
#include "daemon/peer_feed.h"
#include "daemon/store_follower.h"
#include "daemon/subnet_file.h"
#include "daemon/underlay_check.h"
#include "filter/packet_rules.h"
#include "plan/underlay_choice.h"

namespace flannel {

struct AgentOptions {
  UnderlayRequest underlay;
  KeeperOptions keeper;
  NodeTag node;
  std::string subnet_file;  // --subnet-file
  bool ip_masq = false;     // only repeated in subnet.env
  bool ip_blackhole_route = false;
  PacketPathWishes packet_path = {};
  // Why this process cannot program the kernel, which only the backend alloc does without. Empty:
  // it can.
  std::string powerless = {};
};

// Loop thread only.
class Agent {
 public:
  // What the agent is lent; all of it outlives the agent.
  struct Parts {
    Loop& loop;
    Kernel& kernel;
    Registry& registry;
    std::function<Result<HostView>()> look_at_host;
    Random random;
    // The kernel was programmed for the first time, or the underlay has another name or index: this
    // is what to keep an eye on.
    std::function<void(const Scope&, const Underlay&)> on_programmed;
    std::function<void()> on_ready;       // once: the data plane is up and subnet.env is written
    std::function<void(Error)> on_fatal;  // cannot go on; the program ends with a failure
    std::function<void()> on_state;       // any accessor below may answer differently
    // For backends that carry packets in user space; `on_state` as above.
    std::function<Result<std::unique_ptr<PacketPath>>(const PacketPathSettings&,
                                                      std::function<void()> on_state)>
        open_packet_path = {};
    // Keeps a second daemon of this host away from `what` for as long as the descriptors are open.
    std::function<Result<std::vector<Fd>>(std::string_view what)> acquire_lock = [](auto) {
      return std::vector<Fd>();
    };
    PacketRules* rules = nullptr;  // null: there are none
    std::function<Result<HostState>(const HostQuery&)> look_at_traffic = [](const HostQuery&) {
      return HostState{};
    };
    // Addresses at which the store is reached.
    std::function<std::vector<Ip4>()> store_addresses = [] { return std::vector<Ip4>(); };
    // A fresh node id, kept for the next start if it can be; ours is another host's.
    std::function<Result<NodeId>()> replace_node_id = [] {
      return Result<NodeId>(fail(ErrorKind::unsupported, "the node id is fixed"));
    };
  };

  Agent(AgentOptions options, Parts parts);

  void start();

  // The operator asks for it: lists the store again at once, and compares kernel and underlay with
  // what they should be.
  void look_again();
  // The kernel told of foreign changes to our objects, or lost news.
  void suspect_kernel();
  // The packet rules are in place, or are not any more.
  void rules_changed();
  // The underlay interface may have come, gone, or have another name, address, MTU or state.
  void check_underlay();
  // Whether devices forward, or routes of others inside of the network, may have changed.
  void suspect_host();

  // The data plane is up: containers may be attached. False again if the device goes, or if the
  // host is in a state in which nothing of the overlay can pass.
  bool ready() const;
  // Why not ready, one sentence each; also what is wrong although ready. Empty: all is well.
  std::vector<std::string> troubles() const;

  const StoreFollower& follower() const { return follower_; }
  const KnownPeers* peers() const;
  // From the configuration on; null before.
  const LeaseTable* table() const;
  const Overlay* overlay() const;
  const LeaseKeeper* keeper() const;
  const NetworkConfig* config() const;
  const PacketPath* packet_path() const;  // null also where the kernel carries the packets
  const Underlay* underlay() const;

 private:
  // All that exists once the configuration is known; made in this order, destroyed in reverse.
  struct Session {
    NetworkConfig config;
    HostView host_view;
    HostFacts host;
    std::optional<Cidr4> previous;  // the subnet of an earlier run
    bool renamed = false;           // the node id is a new one, and with it the VTEP MAC
    std::optional<PeerFeed> feed;
    std::optional<UnderlayCheck> underlay_check;
    std::optional<HostCheck> host_check;
    std::unique_ptr<NetworkCheck> network_check;  // its timers know where it is
    std::unique_ptr<Backend> backend;
    std::vector<std::vector<Fd>> locks;  // on the network and the devices
    std::unique_ptr<PacketPath> path;
    std::unique_ptr<Overlay> overlay;
    std::unique_ptr<LeaseRunner> lease;
    bool overlay_started = false;
    Lease own;  // as the overlay has it
  };

  void on_snapshot(const Snapshot& snapshot);
  void lease_troubles(std::vector<std::string>& all) const;
  void peer_troubles(std::vector<std::string>& all) const;
  void follow(const std::vector<PeerChange>& changes);
  // agent_identity.cc: what tells this host from others
  HostIdentity identity() const;
  void leave_name_to_older_host();
  void leave_name_while_running();
  void take_another_name(const Lease& other, std::string_view shared);
  void on_changes(const std::vector<Change>& changes);
  void name_unused_reservations(const Snapshot& snapshot) const;
  void begin(const Snapshot& snapshot);
  PeerFeed make_feed();
  UnderlayCheck make_underlay_check();
  void rename(const Underlay& underlay);
  HostCheck make_host_check();
  std::unique_ptr<NetworkCheck> make_network_check(Session& session);
  Result<std::unique_ptr<Session>> open_session(const ParsedConfig& parsed);
  Result<void> lock_objects(Session& session);
  Result<void> open_packet_path(Session& session);
  LeaseKeeper make_keeper(const Session& session) const;
  void compare_config(const std::optional<ConfigRecord>& record);
  void set_config_trouble(std::string text);
  void on_lease_active(const Lease& lease);
  void update_readiness();
  void write_subnet_file();

  AgentOptions options_;
  Parts parts_;
  SubnetFile subnet_file_;
  StoreFollower follower_;
  std::unique_ptr<Session> session_;
  SubscriptionPtr retry_file_;
  SubscriptionPtr rename_;  // due
  TimePoint renamed_at_{};
  bool ready_ = false;
  std::string config_trouble_;
  std::string kernel_trouble_;
  std::string file_trouble_;
};

}  // namespace flannel
