// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/change_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/log.h"
#include "kernel/host/ipv6_settings.h"

namespace flannel {
namespace {

bool is_removal(const KernelChange& change) {
  return change.op == Op::remove;
}

// The device that an object is on, and whether it has to be one of ours.
std::pair<const std::string&, bool> place_of(const KernelObject& object) {
  if (const auto* address = std::get_if<Address>(&object)) return {address->link, true};
  if (const auto* neighbour = std::get_if<Neighbour>(&object)) return {neighbour->link, true};
  if (const auto* entry = std::get_if<FdbEntry>(&object)) return {entry->link, true};
  return {std::get<Route>(object).link, false};
}

}  // namespace

ChangeRun::ChangeRun(NetlinkSocket& socket, Devices& devices, LastWritten& last_written,
                     std::span<const KernelChange> changes, std::span<Result<void>> results)
    : socket_(socket),
      devices_(devices),
      last_written_(last_written),
      changes_(changes),
      results_(results),
      todos_(changes.size()) {
  assert(changes.size() == results.size());
}

void ChangeRun::carry_out() {
  for (std::size_t i = 0; i < changes_.size(); ++i)
    look_at(i);
  enable_ipv6();
  make_nexthops();
  NetlinkBatch batch;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    if (todos_[i].skip) continue;
    write(batch, i);
    asked.push_back(i);
  }
  auto outcomes = socket_.transact(batch);
  put_past_other_routes(asked, outcomes);
  for (std::size_t request = 0; request < asked.size(); ++request)
    record_result(asked[request], std::move(outcomes[request]));
  route_networks();
  delete_unused_nexthops();
}

void ChangeRun::look_at(std::size_t i) {
  const KernelChange& change = changes_[i];
  Todo& todo = todos_[i];
  const auto [name, ours_only] = place_of(change.object);
  const auto* route = std::get_if<Route>(&change.object);
  if (route && route->blackhole) return;  // has neither device nor next hop
  const auto link = link_of(name, ours_only);
  if (!link) {
    todo.skip = true;
    // The objects on a removed device are gone too.
    const bool gone = is_removal(change) && link.error().kind == ErrorKind::not_found;
    if (gone && route) last_written_.routes.take(*route);
    if (!gone) record_result(i, Failure(link.error()));
    return;
  }
  todo.link = *link;
  if (!route) return;
  todo.form =
      is_removal(change) ? last_written_.routes.take(*route) : last_written_.routes.place(*route);
}

Result<int> ChangeRun::link_of(const std::string& name, bool ours_only) {
  const LinkRow* row = TRY(devices_.find(name));
  if (!row) return fail(ErrorKind::not_found, "there is no device " + name);
  if (ours_only && !is_of_our_kind(*row)) {
    return fail(ErrorKind::conflict,
                fmt::format("{} is {} that is not ours", name, kind_in_words(*row)));
  }
  return row->index;
}

// The kernel refuses an IPv6 address on a device whose IPv6 is disabled, and removes all such
// addresses when it is disabled, so the address stands for this setting.
void ChangeRun::enable_ipv6() {
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const auto* address = std::get_if<Address>(&changes_[i].object);
    const bool put6 = address && address->ip.is_v6() && !is_removal(changes_[i]);
    if (!put6 || todos_[i].skip) continue;
    if (auto enabled = flannel::enable_ipv6(address->link); !enabled) {
      todos_[i].skip = true;
      record_result(i, std::move(enabled));
    }
  }
}

void ChangeRun::make_nexthops() {
  NetlinkBatch batch;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const Todo& todo = todos_[i];
    if (todo.skip || todo.form.nexthop == 0 || is_removal(changes_[i])) continue;
    put_nexthop(batch, todo.form.nexthop, todo.link, std::get<Route>(changes_[i].object),
                todo.form.fresh);
    asked.push_back(i);
  }
  const auto outcomes = socket_.transact(batch);
  for (std::size_t request = 0; request < asked.size(); ++request)
    record_nexthop(asked[request], outcomes[request]);
}

// Whatever the reason, the route may still be put without an object; a failure of that is reported.
void ChangeRun::record_nexthop(std::size_t i, const Result<void>& outcome) {
  if (outcome) return;
  const auto& route = std::get<Route>(changes_[i].object);
  if (outcome.error().kind == ErrorKind::unsupported) last_written_.routes.use_plain_only();
  log::verbose(4, "plain route instead of a next-hop object",
               {{"route", to_string(route.to)}, {"why", outcome.error().text}});
  RoutePlacement::Form& form = todos_[i].form;
  if (!form.fresh) form.unused = form.nexthop;
  form.nexthop = 0;
  last_written_.routes.make_plain(route.to);
}

void ChangeRun::write(NetlinkBatch& batch, std::size_t i) {
  const KernelChange& change = changes_[i];
  const auto& [link, skip, form] = todos_[i];
  const bool removal = is_removal(change);
  if (const auto* address = std::get_if<Address>(&change.object)) {
    removal ? delete_address(batch, link, *address) : put_address(batch, link, *address);
  } else if (const auto* neighbour = std::get_if<Neighbour>(&change.object)) {
    removal ? delete_neighbour(batch, link, *neighbour) : put_neighbour(batch, link, *neighbour);
  } else if (const auto* entry = std::get_if<FdbEntry>(&change.object)) {
    removal ? delete_fdb(batch, link, *entry) : put_fdb(batch, link, *entry);
  } else {
    const auto& route = std::get<Route>(change.object);
    if (route.blackhole) {
      removal ? delete_blackhole(batch, route.to) : put_blackhole(batch, route.to);
    } else if (form.nexthop == 0) {
      removal ? delete_route(batch, link, route) : put_route(batch, link, route);
    } else {
      removal ? delete_route_by_nexthop(batch, route.to, form.nexthop)
              : put_route_by_nexthop(batch, route, form.nexthop, form.fresh);
    }
  }
}

// The kernel refuses an onlink route of IPv6 whose gateway is reached by another device now, be it
// by the route that it replaces or by one to a larger network. A route to the gateway alone by the
// right device, for the moment of the check, makes it accept the route, and there is no gap.
void ChangeRun::put_past_other_routes(const std::vector<std::size_t>& asked,
                                      std::vector<Result<void>>& outcomes) {
  NetlinkBatch batch;
  std::vector<std::size_t> repeated;
  for (std::size_t request = 0; request < asked.size(); ++request) {
    const KernelChange& change = changes_[asked[request]];
    const auto* route = std::get_if<Route>(&change.object);
    const bool refused = route && !is_removal(change) && route->onlink && route->via.is_v6() &&
                         !outcomes[request] && outcomes[request].error().kind == ErrorKind::invalid;
    if (!refused) continue;
    const int link = todos_[asked[request]].link;
    const Route way{.to = {route->via, address_bits(Family::v6)}, .link = route->link};
    put_route(batch, link, way);
    write(batch, asked[request]);
    delete_route(batch, link, way);
    repeated.push_back(request);
  }
  auto results = socket_.transact(batch);
  for (std::size_t i = 0; i < repeated.size(); ++i)
    outcomes[repeated[i]] = std::move(results[3 * i + 1]);
}

void ChangeRun::record_result(std::size_t i, Result<void> outcome) {
  const KernelChange& change = changes_[i];
  const Todo& todo = todos_[i];
  if (!outcome && is_removal(change) && outcome.error().kind == ErrorKind::not_found) outcome = {};
  if (outcome) {
    note(change, todo);
    return;
  }
  results_[i] =
      Failure(std::move(outcome.error())
                  .during(fmt::format("{} {}", to_string(change.op), to_string(change.object))));
  const auto* route = std::get_if<Route>(&change.object);
  if (!route || is_removal(change) || !todo.form.fresh) return;
  last_written_.routes.drop(route->to);
  if (todo.form.nexthop != 0) unused_nexthops_.push_back(todo.form.nexthop);
}

void ChangeRun::note(const KernelChange& change, const Todo& todo) {
  const bool removal = is_removal(change);
  if (const auto* address = std::get_if<Address>(&change.object)) {
    removal ? last_written_.remove(todo.link, *address) : last_written_.put(todo.link, *address);
  } else if (const auto* neighbour = std::get_if<Neighbour>(&change.object)) {
    removal ? last_written_.remove(todo.link, *neighbour)
            : last_written_.put(todo.link, *neighbour);
  } else if (const auto* entry = std::get_if<FdbEntry>(&change.object)) {
    removal ? last_written_.remove(todo.link, *entry) : last_written_.put(todo.link, *entry);
  } else if (std::holds_alternative<Route>(change.object)) {
    if (todo.form.unused != 0) unused_nexthops_.push_back(todo.form.unused);
  }
}

// The kernel adds the route to an address's network only together with a new address. If another
// device has the same network, that device's route takes precedence, but ours exists too
// (`exists`).
void ChangeRun::route_networks() {
  NetlinkBatch batch;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const auto* address = std::get_if<Address>(&changes_[i].object);
    if (!address || !address->has_network() || is_removal(changes_[i]) || !results_[i]) continue;
    put_network_route(batch, todos_[i].link, *address);
    asked.push_back(i);
  }
  auto outcomes = socket_.transact(batch);
  for (std::size_t request = 0; request < asked.size(); ++request) {
    if (outcomes[request] || outcomes[request].error().kind == ErrorKind::exists) continue;
    const std::string what = "route the network of " + to_string(changes_[asked[request]].object);
    results_[asked[request]] = Failure(std::move(outcomes[request].error()).during(what));
  }
}

// Objects are deleted after their routes: the kernel searches the whole table for each object that
// still has routes. The next read finds objects whose deletion failed.
void ChangeRun::delete_unused_nexthops() {
  NetlinkBatch batch;
  for (const std::uint32_t id : unused_nexthops_) {
    if (!last_written_.routes.owns(id)) delete_nexthop(batch, id);
  }
  socket_.transact(batch);
}

}  // namespace flannel
