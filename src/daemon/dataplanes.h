// SPDX-License-Identifier: Apache-2.0
// The dataplanes of one network on this host. One is ours: new leases announce it. The others reach
// peers that announce another backend, or another VNI or port: hosts follow a change of the
// configuration at different times, and other flannel releases do not follow it at all.
//
//   configuration ──▶ ours ── the configuration changes ──▶ another's ──▶ unused ─ kLinger ─▶ gone
//                      ▲                                     ▲   no peer │
//                      └──── the configuration is back ──────┤ announces │ a peer announces it
//                                                            └───────────┘
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "daemon/dataplane.h"
#include "daemon/host.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "plan/left_device.h"

namespace flannel {

// Loop thread only.
class Dataplanes {
 public:
  struct Parts {
    Loop& loop;                     // must outlive the dataplanes
    Host& host;                     // must outlive the dataplanes
    std::function<void()> on_path;  // the state of a packet path has changed
    // The result of an accessor of CommandRunner, or the problems of KeyExchange have changed.
    std::function<void()> on_commands;
    // An unused dataplane is gone from all(), or one that could not be opened is to be tried again.
    std::function<void()> on_change;
  };
  // A host that has not seen our present lease sends to what our former one announced. It sees it
  // at once, or, if its connection to the store is broken, when that is back.
  static constexpr std::chrono::seconds kLinger{60};
  // Records in the store decide which dataplanes are opened, so their number is limited.
  static constexpr std::size_t kMost = 6;

  Dataplanes(Parts parts, HostFacts host);

  // Devices that were there before. To be called before the first adopt(): they keep their names.
  void know_left(std::vector<LeftDevice> devices) { left_ = std::move(devices); }
  // Makes the backend of `config`, `made`, ours, and gives all dataplanes its networks and this
  // underlay. A former one of ours stays as long as it is used. A failure leaves ours as it was.
  Result<void> adopt(const NetworkConfig& config, const Underlay& underlay, MadeBackend made);
  void set_surroundings(const Surroundings& surroundings);
  void set_node_id(const NodeId& id);
  // The keys of all dataplanes that have some are these from now on.
  void set_wireguard_keys(const WireguardIdentity& keys);
  // One route for the whole network would capture addresses in use.
  void route_each_peer();
  // Opens what our lease of a run before announces, if that is another backend than ours.
  void adopt_former(const LeaseAttributes& lease);
  // Takes the devices that a run before left in our network as those of a former dataplane of ours,
  // to which peers may still send. To be called after adopt_former(): a lease says more than its
  // devices do. With a backend of commands none is taken; with another one, what commands of a run
  // before have made is undone.
  void adopt_left();
  // What our lease announces from now on.
  void on_announced(const LeaseAttributes& attributes);

  // Undoes what commands have made, if their configuration has that done at the exit of the daemon,
  // and then calls `done`, perhaps at once.
  void end_commands(std::function<void()> done);
  // Runs the commands of all peers again.
  void replay_commands();
  // True if our lease can be announced: commands that come before it have succeeded.
  bool is_prepared() const { return any() && (!ours().commands || ours().commands->output()); }
  // True if what commands of ours make for this host is in place.
  bool in_place() const { return !ours().commands || ours().commands->in_place(); }
  // True if no commands are being undone and no tunnels being ended.
  bool has_undone() const { return undone_.empty(); }

  // Closes all packet paths, which no later run is to go on with. Their devices stay until the
  // reconciler removes them. What commands have made is undone by them, and tunnels are ended;
  // on_change() is called when has_undone() has become true.
  void retire();

  bool any() const { return !all_.empty(); }
  const Dataplane& ours() const { return *all_.front(); }
  // Ours is the first.
  const std::vector<std::shared_ptr<Dataplane>>& all() const { return all_; }
  const HostFacts& host() const { return host_; }
  // The first one that has a packet path; null: none has.
  PacketPath* packet_path() const;
  std::vector<std::string> device_names() const;

  // Fails if the peer cannot be reached by this dataplane, whose packet path is not open yet.
  using Check = std::function<Result<void>(const Dataplane&)>;
  // The dataplane by which the peer is reached. Opens it if there is none and `check` succeeds.
  Result<std::shared_ptr<Dataplane>> reach(const LeaseAttributes& peer, const Check& check);
  // To be called for each subnet of a peer that is reached by a dataplane, and no longer is.
  void add_peer(Dataplane& by);
  void remove_peer(Dataplane& by);

 private:
  Result<std::shared_ptr<Dataplane>> make(const NetworkConfig& config, MadeBackend made) const;
  Result<void> open(Dataplane& plane);
  Result<void> open_path(Dataplane& plane);
  Result<void> lock_more(Dataplane& plane, const Backend& next);
  Result<void> open_commands(Dataplane& plane);
  Result<void> open_keys(Dataplane& plane);
  // `withdrawn`: a CommandRunner or a KeyExchange.
  template <typename Withdrawn>
  void undo(std::unique_ptr<Withdrawn> withdrawn);
  void undo_all(Dataplane& plane);
  void one_undone();
  void undo_record();
  void on_undone();
  Result<std::shared_ptr<Dataplane>> open_or_renew(const NetworkConfig& config, MadeBackend made);
  void set_underlay(const Underlay& underlay);
  void renew_others(const NetworkConfig& network);
  Result<void> renew(Dataplane& plane, const NetworkConfig& config, MadeBackend made);
  Result<std::shared_ptr<Dataplane>> open_for(const AnnouncedBackend& theirs, const Check& check);
  void note_use(Dataplane& plane);
  void begin_to_linger(Dataplane& plane);
  void close(Dataplane& plane);
  void drop_unused();
  void try_again();

  Parts parts_;
  HostFacts host_;
  bool routes_each_peer_ = false;
  std::vector<LeftDevice> left_;  // those of dataplanes that are gone excepted
  std::vector<std::shared_ptr<Dataplane>> all_;
  std::map<AnnouncedBackend, Error> failures_;  // to open one for a peer, since try_again()
  std::vector<std::shared_ptr<void>> undone_;   // they are withdrawn
  std::size_t undoing_ = 0;                     // of them, those that are not done
  std::function<void()> ended_;
  Timer undone_due_{parts_.loop, [this] { on_undone(); }};
  Timer unused_{parts_.loop, [this] { drop_unused(); }};
  Timer retry_{parts_.loop, [this] { try_again(); }};
};

}  // namespace flannel
