// SPDX-License-Identifier: Apache-2.0
#include "daemon/node.h"

#include <malloc.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/random.h"
#include "daemon/kept_state_file.h"
#include "daemon/scrub.h"
#include "daemon/software_checksums_file.h"
#include "daemon/udp_dataplane.h"
#include "registry/open_registry.h"
#include "registry/store_name.h"

namespace flannel {
namespace {

// Each line wakes the service manager.
constexpr auto kRest = std::chrono::seconds(1);
// The line for the service manager is about so many networks at most.
constexpr std::size_t kMostInLine = 4;

// True if each of the two names the other.
bool are_peers(const NetworkSlot& one, const NetworkSlot& other) {
  const auto names = [](const NetworkSlot& a, const NetworkSlot& b) {
    const auto& peers = a.territory().peers;
    return std::ranges::find(peers, b.name()) != peers.end();
  };
  return names(one, other) && names(other, one);
}

}  // namespace

Node::Node(Edges edges, ProcessIdentity process)
    : edges_(edges),
      process_(std::move(process)),
      reload_(edges.options, {.read = [this] { return edges_.source.read(); },
                              .apply = [this](const Options& options) { take(options); }}),
      drained_(edges.loop, edges.options.state_dir,
               [this](const std::optional<DrainNote>& note) { follow_drain(note); }) {
  for (const std::string& name : network_names(edges.options))
    slots_.push_back(make_slot(name));
}

Result<void> Node::run() {
  if (edges_.options.follows_store) {
    TRY(follow_store());
  } else {
    drop_kept_of_others();
  }
  for (const auto& slot : slots_)
    TRY(slot->join());
  if (drained_.note()) on_started();
  TRY(edges_.loop.run());
  if (fatal_) return tl::unexpected(*std::move(fatal_));
  return {};
}

std::unique_ptr<NetworkSlot> Node::make_slot(const std::string& name) {
  // What is wrong with the process is said once.
  const bool follows = edges_.options.follows_store;
  const bool is_first = slots_.empty() && !follows;
  return std::make_unique<NetworkSlot>(
      name, NetworkSlot::Parts{.edges = {edges_.notifier, edges_.kept, edges_.loop, edges_.kernel,
                                         edges_.locks, iptables_},
                               .board = edges_.board,
                               .process = process_,
                               .options = [this, name] { return options_now(name); },
                               .drained = [this] { return drained_.note(); },
                               .other_problems =
                                   [this, is_first, name] {
                                     std::vector<Problem> all = docker_problems(name);
                                     if (is_first)
                                       std::ranges::copy(reload_.problems(),
                                                         std::back_inserter(all));
                                     return all;
                                   },
                               .on_territory = [this] { on_territory(); },
                               .on_started = [this] { on_started(); },
                               .on_published = [this] { on_published(); },
                               .on_left = [this] { left_.arm(edges_.loop.now()); },
                               .used_by = [this, name] { return docker_use(name); },
                               .locks_subnet_file = follows,
                               .on_fatal =
                                   [this](Error error) {
                                     fatal_ = std::move(error);
                                     edges_.loop.stop();
                                   }});
}

Result<void> Node::follow_store() {
  StoreOptions options = edges_.options.store;
  options.sessions = sessions_;
  store_ = TRY(open_registry(options, edges_.loop));
  const auto store_of = [this](const std::string& network) {
    return name_of_store(options_of(edges_.options, network).store);
  };
  auto known = kept_networks(edges_.options.state_dir, options.prefix, store_of);
  for (const std::string& name : known) {
    log::info("this host was in the network before; it takes part in it", {{"network", name}});
    take_part_in(name);
  }
  roster_ =
      std::make_unique<NetworkRoster>(NetworkRoster::Parts{.loop = edges_.loop,
                                                           .store = *store_,
                                                           .random = make_random(),
                                                           .on_list = [this] { on_list(); },
                                                           .on_state = [this] { publish_daemon(); },
                                                           .known = std::move(known)});
  publish_daemon();
  roster_->list();
  return {};
}

NetworkSlot& Node::take_part_in(const std::string& name) {
  const auto place = std::ranges::lower_bound(slots_, name, {}, &NetworkSlot::name);
  edges_.board.publish(name, {});
  return **slots_.insert(place, make_slot(name));
}

void Node::on_list() {
  std::vector<NetworkSlot*> come;
  for (const std::string& name : roster_->names()) {
    if (std::ranges::find(slots_, name, &NetworkSlot::name) != slots_.end()) continue;
    log::info("the store has a network; this host takes part in it", {{"network", name}});
    come.push_back(&take_part_in(name));
  }
  // All are there before the first may complete the start. A failure is the network's problem, for
  // it has a name.
  for (NetworkSlot* slot : come)
    (void)slot->join();
  if (std::exchange(has_dropped_, true) == false) drop_kept_of_others();
  for (const auto& slot : slots_)
    slot->set_listed(!roster_->is_gone(slot->name()));
  publish_daemon();
  on_started();
}

// The slot has called, so this is a turn of its own.
void Node::drop_left() {
  std::vector<std::unique_ptr<NetworkSlot>> gone;
  for (auto& slot : slots_) {
    if (slot->has_left()) gone.push_back(std::move(slot));
  }
  std::erase(slots_, nullptr);
  for (auto& slot : gone) {
    const std::string name = slot->name();
    slot.reset();
    edges_.board.remove(name);
    log::info("this host has left the network", {{"network", name}});
  }
  separate_networks();
  for (const auto& slot : slots_)
    slot->try_soon();
  on_published();
  on_started();
  roster_->list();  // it may be there again already
}

void Node::publish_daemon() {
  if (!roster_) return;
  std::vector<Problem> problems = roster_->problems();
  std::ranges::copy(reload_.problems(), std::back_inserter(problems));
  problems_.update(std::move(problems), edges_.loop.now());
  edges_.board.publish_daemon({knows_networks(), problems_.all()});
  on_published();
}

Membership* Node::find(std::string_view network) const {
  const auto slot = std::ranges::find(slots_, network, [](const auto& one) { return one->name(); });
  return slot == slots_.end() ? nullptr : (*slot)->member();
}

std::vector<Membership*> Node::members() const {
  std::vector<Membership*> members;
  for (const auto& slot : slots_) {
    if (slot->member() != nullptr) members.push_back(slot->member());
  }
  return members;
}

std::vector<Problem> Node::docker_problems(const std::string& network) const {
  const Membership* member = find(network);
  if (member == nullptr || member->agent().network() == nullptr) return {};
  const auto env = member->agent().network()->subnet_env();
  if (!env) return {};
  return pool_problems(pools_of(edges_.pools(), network), SubnetKey{env->subnet, env->subnet6});
}

// Docker keeps its networks while it does not run, and then they have no bridge.
std::optional<std::string> Node::docker_use(const std::string& network) const {
  const auto pools = pools_of(edges_.pools(), network);
  if (pools.empty()) return std::nullopt;
  return "a network of Docker's has the addresses of " + to_string(pools.front().subnet);
}

void Node::on_pools() {
  for (const auto& slot : slots_)
    slot->changed();
}

// Descriptors of networks that this process no longer has keep their devices.
void Node::drop_kept_of_others() {
  std::set<std::string> ours;
  for (const auto& slot : slots_) {
    for (const std::string_view name : {UdpDataplane::kQueues, UdpDataplane::kSockets})
      ours.insert(KeptFds::name_in(slot->name(), name));
  }
  for (const std::string& name : edges_.kept.names()) {
    if (ours.contains(name)) continue;
    edges_.kept.take(name);
    edges_.notifier.keep(name, {});
  }
}

void Node::refresh() {
  reload_.reload();
  publish_daemon();
  if (roster_) roster_->list();
  for (Membership* member : members())
    member->refresh();
}

void Node::end() {
  if (end_.armed()) return edges_.loop.stop();
  end_.arm_after(kLongestEnd);
  ending_ = 1;
  const auto ended = [this] {
    if (--ending_ == 0) edges_.loop.stop();
  };
  for (Membership* member : members()) {
    ++ending_;
    member->end(ended);
  }
  ended();
}

std::vector<std::string> Node::vxlan_devices() const {
  std::vector<std::string> all;
  for (const Membership* member : members()) {
    if (const Network* network = member->agent().network()) {
      std::ranges::move(network->vxlan_devices(), std::back_inserter(all));
    }
  }
  return all;
}

Result<void> Node::set_software_checksums(bool on) {
  TRY(keep_software_checksums(edges_.options.state_dir, on));
  log::info(on ? "the kernel fills in the checksums of packets from now on, as requested"
               : "checksums of packets are left to the network card again, as requested");
  for (Membership* member : members())
    member->set_software_checksums(on);
  return {};
}

// A reload changes the options that plan_reload() calls live, and no others.
Options Node::options_now(const std::string& network) const {
  Options now = options_of(edges_.options, network);
  now.store.sessions = sessions_;
  if (taken_) now.take_live(*taken_);
  return now;
}

// Applies what plan_reload() calls live.
void Node::take(const Options& options) {
  if (options.has_secrets()) protect_memory();
  log::set_verbosity(options.verbosity);
  taken_ = options;
  for (const auto& slot : slots_) {
    if (slot->member() != nullptr) slot->member()->take(options_now(slot->name()));
  }
}

void Node::follow_drain(const std::optional<DrainNote>& note) {
  for (Membership* member : members())
    member->follow_drain(note);
  if (note) on_started();
}

// What kept another network out may be this one's former range or device.
void Node::on_territory() {
  const auto is_known = [](const auto& slot) { return !slot->territory().ranges.empty(); };
  if (std::ranges::any_of(slots_, is_known)) edges_.way_to_store.stop();
  if (slots_.size() < 2) return;
  separate_networks();
  for (const auto& slot : slots_)
    slot->try_soon();
}

// No packet of one network enters another, unless both say so.
void Node::separate_networks() {
  for (const auto& slot : slots_) {
    if (slot->member() == nullptr) continue;
    std::vector<IpPrefix> strangers;
    for (const auto& other : slots_) {
      if (other != slot && !are_peers(*slot, *other))
        std::ranges::copy(other->territory().ranges, std::back_inserter(strangers));
    }
    // A range may have been another network's before.
    const auto& own = slot->territory().ranges;
    std::erase_if(strangers, [&own](const IpPrefix& stranger) {
      return std::ranges::any_of(own, [&](const IpPrefix& one) { return one.overlaps(stranger); });
    });
    slot->member()->separate(strangers);
  }
}

// While the store is away, its networks are those that this host had.
bool Node::knows_networks() const {
  return !roster_ || roster_->has_listed() || goes_on_without_store_;
}

// The start of a drained host is complete: its service manager must not wait for a lease.
void Node::on_started() {
  const auto goes_on = [](Membership* one) { return one->agent().goes_on_without_store(); };
  if (!knows_networks() && std::ranges::any_of(members(), goes_on)) {
    goes_on_without_store_ = true;
    publish_daemon();
  }
  const bool all = std::ranges::all_of(slots_, [](const auto& one) { return one->has_started(); });
  if (has_started_ || ((!all || !knows_networks()) && !drained_.note())) return;
  has_started_ = true;
  // Frees the memory of the first list and batch, several megabytes.
  ::malloc_trim(0);
  for (const auto& slot : slots_)
    slot->publish();
  edges_.notifier.ready(line());
}

void Node::on_published() {
  if (rest_.armed()) return;
  edges_.notifier.status(line());
  rest_.arm_after(kRest);
}

std::string Node::line() const {
  if (slots_.empty()) {
    const auto wrong = sentences(problems_.all());
    if (!wrong.empty()) return wrong.front();
    return knows_networks() ? "no network in the store yet" : "asking the store for its networks";
  }
  if (slots_.size() == 1 && slots_.front()->name().empty()) return slots_.front()->line();
  std::string line =
      std::to_string(slots_.size()) + (slots_.size() == 1 ? " network" : " networks");
  std::size_t named = 0;
  for (const auto& slot : slots_) {
    if (++named > kMostInLine) return line + ", and others";
    line += (named == 1 ? ": " : "; ") + slot->name() + " " + slot->line();
  }
  return line;
}

}  // namespace flannel
