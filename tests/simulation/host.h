// SPDX-License-Identifier: Apache-2.0
// A host: a machine with a disk and a kernel that outlive its daemon, and the daemon.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/announced_backend.h"
#include "core/kept_state.h"
#include "core/lease_keeper.h"
#include "core/lease_table.h"
#include "core/node_id.h"
#include "simulation/addresses.h"
#include "simulation/network.h"
#include "support/fake_kernel.h"

namespace flannel::simulation {

// What runs on a host, whole or in part.
class Process {
 public:
  virtual ~Process() = default;
  virtual void start() = 0;
  // The host is drained, or is no longer, while the process runs.
  virtual void drain(bool drained) = 0;
  // Null before the configuration is known.
  virtual const NetworkConfig* config() const = 0;
  virtual const LeaseKeeper* keeper() const = 0;
  // What the store says, as it has been heard; and those that packets are sent to.
  virtual const LeaseTable* table() const = 0;
  using Peers = ListedLeases;
  virtual Peers peers() const = 0;
  virtual bool connected() const = 0;
  virtual std::vector<std::string> troubles() const = 0;
  virtual SimulatedRegistry& registry() = 0;
};

class Host {
 public:
  enum class Daemon { whole, without_kernel, without_table };

  // `folder` is its disk, and exists.
  Host(Service& service, int number, KeeperOptions keeper, std::string folder);
  Host(const Host&) = delete;

  const int number;
  IpAddress public_ip;            // by which it is named at present
  std::optional<Family> lacks{};  // it has no address of this family
  NodeId node_id;
  std::uint64_t boot_id = 0;  // that of the machine's kernel; containers on it share it
  std::uint32_t boot() const {
    return boot_number(std::to_string(boot_id), static_cast<std::uint64_t>(number));
  }
  const std::string folder;
  const KeeperOptions keeper_options;
  Service& service;
  Link link;
  Machine machine;
  FakeKernel kernel;
  Daemon daemon = Daemon::whole;
  // What its wall clock shows too much, and whether something says that it is right.
  std::chrono::seconds wall_error{};
  bool wall_is_right = true;
  HostClock clock() const;
  std::optional<std::string> kept_state;  // in its state folder
  bool gone = false;                      // for ever
  bool drained = false;                   // as a file in its state folder says
  int addresses = 1;                      // that it has had
  Host* shares_with = nullptr;            // both have one address

  std::string name() const { return "h" + std::to_string(number); }
  std::string subnet_file() const { return folder + "/subnet.env"; }
  // The addresses on its interface.
  PublicIps ips() const;
  // Those that its daemon uses: of the families of its configuration; all, before it has one.
  PublicIps used_ips() const;
  Writer writer() const { return {number, first_ip(), ips()}; }

  void start();
  void crash();
  // After so many more turns; negative: not.
  void crash_after(int turns) { turns_left_ = turns; }
  void turn_done();
  IpAddress first_ip() const {
    return IpAddress::v4(192, 168, 0, 0).plus(static_cast<std::uint32_t>(number));
  }
  // The next start is with another address, that nobody has had, or with that of another host; the
  // daemon is not running.
  void change_address();
  void take_address_of(const Host& other);
  // Memory, steady clock, kernel and /run are new.
  void reboot();
  // Another node id, as of a state folder that is lost, or that was a copy.
  void rename();
  // Its record names its node and boot, by which it finds it again under any address.
  void is_known_by_node() { known_by_node_ = true; }
  bool known_by_node() const { return known_by_node_; }
  // It has another address, or its address is another's as well: without such a record its subnet
  // is lost.
  void lose_address();
  void drain(bool now);
  bool running() const { return process_ != nullptr; }
  const Process& process() const { return *process_; }
  void cut(bool off);
  void break_streams();
  void lose_positions();

  // It runs, and so does its way to the store.
  bool is_undisturbed() const;
  void disturb() { disturbed_at = service.timeline.now(); }

  // The lease as its keeper has it; nothing if it is not running or has none.
  std::optional<Lease> lease() const;
  // It has no end of which it could learn that it is lost: a reservation.
  bool holds_without_end() const;
  // The keeper holds it, as far as it can know.
  bool believes_to_hold() const;

  // ---- what its judge remembers of it
  std::optional<SubnetKey> last_subnet;
  // It has booted, so only its record says which subnet it had; until it holds one again.
  bool has_booted = false;
  TimePoint stood_still_until{};  // its clock did
  TimePoint stopped_at{};         // its daemon of before
  bool has_begun = false;         // its daemon has had a lease since it started
  TimePoint booted_at{};
  // Its record as it was when all else that names its subnet was lost; until it holds it again.
  std::optional<Revision> only_record;
  TimePoint started_at{};
  TimePoint disturbed_at{};  // the last time that anything befell it, or ended
  TimePoint unsure_until{};  // its clock stood still, its disk was lost: other rules hold
  struct KnownPeer {
    Lease lease;
    Revision revision = 0;
    IpAddress first_ip;
    std::vector<std::string> vteps;  // that it announces
    TimePoint since;                 // when it came to be known with them
  };
  std::map<IpPrefix, KnownPeer> known_peers;   // by each of their subnets
  std::vector<IpPrefix> networks_since_start;  // of its configurations
  void note_networks();
  std::optional<SubnetKey> subnet_in_file;  // as the daemon found it when it started
  std::optional<SubnetKey> subnet_since_start;
  TimePoint first_subnet_at{};  // when it had a subnet first since its start
  // The last time that another host had its address, and took its subnet perhaps.
  TimePoint shares_since{};
  TimePoint shares_until{};
  bool shares_address_at(TimePoint when) const {
    return when >= shares_since && (shares_with != nullptr || when < shares_until);
  }
  // What it announced in each family: since when, and when it was seen to do so last.
  struct LastVtep {
    std::string vtep;
    TimePoint since{};
    TimePoint at{};
    std::optional<AnnouncedBackend> backend{};
  };
  std::map<Family, LastVtep> last_vteps;
  // Of families that its lease has not got any more. It announces them again when it has.
  std::map<Family, LastVtep> former_vteps;
  std::optional<NodeId> left_name;  // its daemon has taken another since the last turn
  std::set<Family> left_vteps;      // with a cause, so that the next MAC is another

 private:
  std::unique_ptr<Process> process_;
  int turns_left_ = -1;
  bool known_by_node_ = false;

  void plug_in();
};

std::unique_ptr<Process> make_agent_process(Host& host);
std::unique_ptr<Process> make_core_process(Host& host, bool with_table);

}  // namespace flannel::simulation
