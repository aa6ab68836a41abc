// SPDX-License-Identifier: Apache-2.0
#include "daemon/dataplanes.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "backend/alloc.h"
#include "backend/left_backend.h"
#include "base/log.h"
#include "base/printable.h"
#include "core/announced_backend.h"
#include "daemon/device_number.h"

namespace flannel {
namespace {

// Until a dataplane that could not be opened for a peer is tried again.
constexpr auto kOpenRetry = std::chrono::seconds(10);

// True if a path with the settings `have` cannot go on with `want`. MTU, networks and the
// acceptance of senders come with the forwarding table.
bool needs_new_path(PacketPathSettings have, const PacketPathSettings& want) {
  have.mtu = want.mtu;
  have.networks = want.networks;
  have.accept_any = want.accept_any;
  return have != want;
}

bool needs_keys(const Backend& backend, const HostFacts& host) {
  return std::holds_alternative<IpsecSettings>(backend.companion(host));
}

Failure other_backend(const Dataplane& ours, const AnnouncedBackend& theirs) {
  return fail(ErrorKind::unsupported,
              fmt::format("ignoring non-{} subnet: it announces the backend \"{}\"",
                          ours.announced.type, printable(shortened(theirs.type))));
}

}  // namespace

Dataplanes::Dataplanes(Parts parts, HostFacts host)
    : parts_(std::move(parts)), host_(std::move(host)) {}

Result<std::shared_ptr<Dataplane>> Dataplanes::make(const NetworkConfig& config,
                                                    MadeBackend made) const {
  auto plane = std::make_shared<Dataplane>();
  plane->config = config;
  plane->backend = std::move(made.backend);
  plane->announced = plane->backend->announced();
  plane->host = host_;
  plane->host.device_number = TRY(device_number_for(*plane->backend, host_, device_names(), left_));
  return plane;
}

// Two daemons with one device would undo the changes of each other for ever; with one UDP port each
// would get packets for the other.
Result<void> Dataplanes::open(Dataplane& plane) {
  std::vector<std::string> wanted = flannel::device_names(*plane.backend, plane.host);
  if (const auto path = packet_path_of(*plane.backend, plane.host)) {
    wanted.push_back(fmt::format("UDP port {}", path->peer_port));
  }
  if (needs_keys(*plane.backend, plane.host)) wanted.emplace_back("the tunnels of IPsec");
  for (const std::string& what : wanted)
    plane.locks.push_back(TRY(parts_.host.lock(what)));
  if (plane.backend->wants_wireguard_keys()) {
    plane.host.wireguard = TRY(parts_.host.wireguard_keys());
  }
  TRY(open_commands(plane));
  TRY(open_keys(plane));
  return open_path(plane);
}

// The device must exist before it can be set up. It carries no packets before there is a lease.
Result<void> Dataplanes::open_path(Dataplane& plane) {
  auto settings = packet_path_of(*plane.backend, plane.host);
  if (!settings) return {};
  plane.path = TRY(parts_.host.open_packet_path(*settings, parts_.on_path));
  plane.settings = *std::move(settings);
  plane.host.tun_device = plane.path->device();
  return {};
}

// Locks what the dataplane has with other options only, such as the device of another family.
Result<void> Dataplanes::lock_more(Dataplane& plane, const Backend& next) {
  const std::vector<std::string> held = plane.device_names();
  std::vector<std::vector<Fd>> locks;
  for (const std::string& name : flannel::device_names(next, plane.host)) {
    if (std::ranges::find(held, name) != held.end()) continue;
    locks.push_back(TRY(parts_.host.lock(name)));
  }
  std::ranges::move(locks, std::back_inserter(plane.locks));
  return {};
}

// Gives a dataplane other options.
Result<void> Dataplanes::renew(Dataplane& plane, const NetworkConfig& config, MadeBackend made) {
  const auto settings = packet_path_of(*made.backend, plane.host);
  const bool other_path = settings && needs_new_path(plane.settings, *settings);
  TRY(lock_more(plane, *made.backend));
  std::swap(plane.backend, made.backend);
  if (other_path) {
    if (auto opened = plane.path->reopen(*settings); !opened) {
      std::swap(plane.backend, made.backend);
      return opened;
    }
    plane.settings = *settings;
    plane.host.tun_device = plane.path->device();
  }
  const Companion companion = plane.backend->companion(plane.host);
  const auto* commands = std::get_if<CommandSettings>(&companion);
  if (commands != nullptr && plane.commands) {  // null: at the end of this process
    plane.commands->reconfigure(*commands);
    plane.host.startup_output = plane.commands->output();
  }
  const auto* keys = std::get_if<IpsecSettings>(&companion);
  if (keys != nullptr && plane.keys) plane.keys->set_settings(*keys);
  plane.config = config;
  plane.announced = plane.backend->announced();
  return {};
}

Result<void> Dataplanes::adopt(const NetworkConfig& config, const Underlay& underlay,
                               MadeBackend made) {
  const Underlay former = host_.underlay;
  set_underlay(underlay);
  auto ours = open_or_renew(config, std::move(made));
  if (!ours) {
    set_underlay(former);
    return tl::unexpected(std::move(ours).error());
  }
  std::erase(all_, *ours);
  all_.insert(all_.begin(), *ours);
  for (const auto& plane : all_) {
    plane->host.route_each_peer = routes_each_peer_ || plane != *ours;
    note_use(*plane);
  }
  renew_others(config);
  return {};
}

// A dataplane that announces the same is the same one with other options.
Result<std::shared_ptr<Dataplane>> Dataplanes::open_or_renew(const NetworkConfig& config,
                                                             MadeBackend made) {
  const auto there = std::ranges::find(all_, made.backend->announced(), &Dataplane::announced);
  if (there != all_.end()) {
    TRY(renew(**there, config, std::move(made)));
    return *there;
  }
  auto plane = TRY(make(config, std::move(made)));
  TRY(open(*plane));
  return plane;
}

void Dataplanes::set_underlay(const Underlay& underlay) {
  host_.underlay = underlay;
  for (const auto& plane : all_)
    plane->host.underlay = underlay;
}

// Peers are reached by a dataplane as well as the network and the underlay allow. Linux has GBP on
// all vxlan devices of a UDP port, or on none.
void Dataplanes::renew_others(const NetworkConfig& network) {
  for (std::size_t i = 1; i < all_.size(); ++i) {
    Dataplane& plane = *all_[i];
    const bool shares_port = plane.announced.type == ours().announced.type &&
                             plane.announced.port == ours().announced.port;
    NetworkConfig config = shares_port ? with_backend(network, plane.announced) : plane.config;
    config.v4 = network.v4;
    config.v6 = network.v6;
    auto made = make_backend(config, host_.underlay);
    const auto renewed = made ? renew(plane, config, *std::move(made))
                              : Result<void>(tl::unexpected(std::move(made).error()));
    if (renewed) continue;
    log::warning("a dataplane that is still in use stays as it was",
                 {{"backend", to_string(plane.announced)}, {"why", renewed.error().text}});
  }
}

void Dataplanes::set_surroundings(const Surroundings& surroundings) {
  host_.surroundings = surroundings;
  for (const auto& plane : all_)
    plane->host.surroundings = surroundings;
}

void Dataplanes::set_node_id(const NodeId& id) {
  host_.node_id = id;
  for (const auto& plane : all_)
    plane->host.node_id = id;
}

void Dataplanes::set_wireguard_keys(const WireguardIdentity& keys) {
  for (const auto& plane : all_) {
    if (plane->host.wireguard) plane->host.wireguard = keys;
  }
}

void Dataplanes::route_each_peer() {
  routes_each_peer_ = true;
  for (const auto& plane : all_)
    plane->host.route_each_peer = true;
}

// A device that looks like one of ours may be that of commands.
void Dataplanes::adopt_left() {
  if (ours().commands) return;
  undo_record();
  if (ours().announced.type == AllocBackend::kType) return;
  std::map<AnnouncedBackend, LeaseAttributes> former;
  for (const LeftDevice& device : left_) {
    if (!device.is_of_network) continue;
    const auto none = LeaseAttributes::of_host(public_ips_of(host_.underlay));
    announce(device.link.kind,
             former.try_emplace(backend_of(device.link.kind), none).first->second);
  }
  for (const auto& [left, attributes] : former)
    adopt_former(attributes);
}

// What cannot be opened stays, and "flannelctl cleanup" removes it.
void Dataplanes::adopt_former(const LeaseAttributes& lease) {
  const AnnouncedBackend left = backend_of(lease);
  if (ours().announced.type == AllocBackend::kType || left.type.empty()) return;
  const bool is_there =
      std::ranges::any_of(all_, [&](const auto& plane) { return reaches(plane->announced, left); });
  if (is_there) return;
  if (auto opened = open_for(left, [](const Dataplane&) { return Result<void>(); })) {
    (*opened)->former = lease;
  }
}

void Dataplanes::on_announced(const LeaseAttributes& attributes) {
  all_.front()->former = attributes;
}

PacketPath* Dataplanes::packet_path() const {
  const auto found = std::ranges::find_if(
      all_, [](const std::shared_ptr<Dataplane>& plane) { return plane->path != nullptr; });
  return found == all_.end() ? nullptr : (*found)->path.get();
}

std::vector<std::string> Dataplanes::device_names() const {
  std::vector<std::string> names;
  for (const auto& plane : all_) {
    for (std::string& name : plane->device_names())
      names.push_back(std::move(name));
  }
  return names;
}

Result<std::shared_ptr<Dataplane>> Dataplanes::reach(const LeaseAttributes& peer,
                                                     const Check& check) {
  const AnnouncedBackend theirs = backend_of(peer);
  for (const auto& plane : all_) {
    if (reaches(plane->announced, theirs)) return plane;
  }
  // Other software carries the packets of an alloc host, which does not program the kernel.
  if (ours().announced.type == AllocBackend::kType) return all_.front();
  if (theirs.type.empty()) return other_backend(ours(), theirs);
  if (const auto failed = failures_.find(theirs); failed != failures_.end()) {
    return tl::unexpected(failed->second);
  }
  return open_for(theirs, check);
}

Result<std::shared_ptr<Dataplane>> Dataplanes::open_for(const AnnouncedBackend& theirs,
                                                        const Check& check) {
  if (all_.size() >= kMost) {
    return fail(ErrorKind::exhausted,
                fmt::format("it announces {}, and this host has {} other backends in use already",
                            to_string(theirs), all_.size()));
  }
  const NetworkConfig config = with_backend(ours().config, theirs);
  auto made = make_backend(config, host_.underlay);
  if (!made) return other_backend(ours(), theirs);
  auto plane = TRY(make(config, *std::move(made)));
  plane->host.route_each_peer = true;
  TRY(check(*plane));
  if (auto opened = open(*plane); !opened) {
    const Error error = Error(opened.error()).during("open " + to_string(theirs) + " for it");
    failures_.insert_or_assign(theirs, error);
    if (!retry_.armed()) retry_.arm_after(kOpenRetry);
    return tl::unexpected(error);
  }
  all_.push_back(plane);
  log::info("another backend is in use beside ours",
            {{"backend", to_string(plane->announced)}, {"ours", to_string(ours().announced)}});
  begin_to_linger(*plane);
  return plane;
}

void Dataplanes::add_peer(Dataplane& by) {
  if (by.peers++ == 0) note_use(by);
}

void Dataplanes::remove_peer(Dataplane& by) {
  if (--by.peers == 0) note_use(by);
}

void Dataplanes::note_use(Dataplane& plane) {
  if (plane.peers > 0 || &plane == all_.front().get()) {
    plane.unused_since = kNever;
  } else if (plane.unused_since == kNever) {
    log::info("no host announces this backend any more; it receives for another minute",
              {{"backend", to_string(plane.announced)}});
    begin_to_linger(plane);
  }
}

void Dataplanes::begin_to_linger(Dataplane& plane) {
  plane.unused_since = parts_.loop.now();
  if (!unused_.armed()) unused_.arm_after(kLinger);
}

void Dataplanes::drop_unused() {
  const TimePoint due = parts_.loop.now() - kLinger;
  TimePoint next = kNever;
  std::vector<std::shared_ptr<Dataplane>> unused;
  for (const auto& plane : all_) {
    if (plane->unused_since == kNever) continue;
    if (plane->unused_since <= due) {
      unused.push_back(plane);
    } else {
      next = std::min(next, plane->unused_since + kLinger);
    }
  }
  if (next != kNever) unused_.arm(next);
  if (unused.empty()) return;
  for (const auto& plane : unused)
    close(*plane);
  parts_.on_change();
}

void Dataplanes::close(Dataplane& plane) {
  log::info("no host has announced this backend for a minute; what it made is removed",
            {{"backend", to_string(plane.announced)}});
  const auto names = plane.device_names();
  std::erase_if(left_, [&names](const LeftDevice& device) {
    return std::ranges::find(names, device.link.name) != names.end();
  });
  std::erase_if(all_, [&plane](const auto& each) { return each.get() == &plane; });
  if (plane.path && packet_path() == nullptr) plane.path->retire();
  plane.path.reset();
  plane.locks.clear();
  undo_all(plane);
}

void Dataplanes::retire() {
  for (const auto& plane : all_) {
    if (plane->path) plane->path->retire();
    plane->path.reset();
    undo_all(*plane);
  }
}

void Dataplanes::try_again() {
  failures_.clear();
  parts_.on_change();
}

}  // namespace flannel
