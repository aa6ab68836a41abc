// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/linux_kernel.h"

#include <utility>

#include "kernel/netlink/checksum_offload.h"
#include "kernel/netlink/link_kind.h"
#include "kernel/objects/change_run.h"
#include "kernel/objects/link_setup.h"

namespace flannel {
namespace {

// The kernel checks gateways against addresses, so routes are put after addresses. A run changes
// next-hop objects, and so the routes by them, with its first batch, and may put a route with its
// last one: it must find the neighbours of the new routes there, and leave those of the old ones.
bool can_run_together(const KernelChange& a, const KernelChange& b) {
  const auto same_kind = [&a, &b]<typename Kind>() {
    return std::holds_alternative<Kind>(a.object) == std::holds_alternative<Kind>(b.object);
  };
  return same_kind.operator()<Address>() && same_kind.operator()<Route>() &&
         same_kind.operator()<Shared<WireguardPeer>>() &&
         same_kind.operator()<Shared<IpsecPolicy>>() &&
         (a.op == Op::remove) == (b.op == Op::remove) &&
         !std::holds_alternative<Shared<Link>>(b.object);
}

}  // namespace

Result<std::unique_ptr<LinuxKernel>> LinuxKernel::open(Options options) {
  NetlinkSocket socket = TRY(NetlinkSocket::open(options.socket));
  return std::unique_ptr<LinuxKernel>(new LinuxKernel(std::move(socket), options));
}

LinuxKernel::LinuxKernel(NetlinkSocket socket, const Options& options)
    : socket_(std::move(socket)),
      plain_routes_(options.plain_routes),
      last_written_(options.plain_routes) {}

std::vector<Result<void>> LinuxKernel::apply(std::span<const KernelChange> changes) {
  std::vector<Result<void>> results(changes.size());
  Devices devices(socket_);
  for (std::size_t first = 0; first < changes.size();) {
    std::size_t last = first + 1;
    if (std::holds_alternative<Shared<Link>>(changes[first].object)) {
      results[first] = apply_link(changes[first], devices);
    } else {
      while (last < changes.size() && can_run_together(changes[first], changes[last]))
        ++last;
      const auto run = changes.subspan(first, last - first);
      const auto run_results = std::span(results).subspan(first, last - first);
      if (std::holds_alternative<Shared<WireguardPeer>>(run.front().object)) {
        wireguard_.change_peers(devices, run, run_results);
      } else if (std::holds_alternative<Shared<IpsecPolicy>>(run.front().object)) {
        policies_.change(run, run_results);
      } else {
        ChangeRun(socket_, devices, last_written_, run, run_results).carry_out();
      }
    }
    first = last;
  }
  return results;
}

Result<void> LinuxKernel::apply_link(const KernelChange& change, Devices& devices) {
  const Link& link = *std::get<Shared<Link>>(change.object);
  LinkSetup setup(socket_, devices, wireguard_);
  auto result = [&]() -> Result<void> {
    switch (change.op) {
      case Op::put:
        TRY(setup.put(link));
        return set_checksums(link, devices);
      case Op::recreate:
        TRY(setup.recreate(link));
        return set_checksums(link, devices);
      case Op::remove:
        return setup.remove(link.name);
    }
    return {};
  }();
  note_link(link.name, devices);
  return result;
}

// A device that another program has set so is left as it is.
Result<void> LinuxKernel::set_checksums(const Link& link, Devices& devices) {
  const LinkRow* row = TRY(devices.find(link.name));
  if (!row || !row->settings || !kind_of(*row->settings).has_software_checksums) return {};
  if (link.software_checksums) {
    software_checksums_.insert(row->index);
    return set_checksum_offload(link.name, false);
  }
  if (software_checksums_.erase(row->index) == 0) return {};
  return set_checksum_offload(link.name, true);
}

void LinuxKernel::note_link(const std::string& name, Devices& devices) {
  const auto before = last_written_.links.find(name);
  const auto after = devices.find(name);
  const bool there = after && *after && is_of_our_kind(**after);
  if (before != last_written_.links.end()) {
    const LinkRow& old = before->second;
    if (!there || (*after)->index != old.index) {
      last_written_.forget_all_on(old.index);
    } else if ((*after)->mac != old.mac || !(*after)->up) {
      last_written_.forget_neighbours(old.index);
    }
    last_written_.links.erase(before);
  }
  if (there) last_written_.links.emplace(name, **after);
}

bool LinuxKernel::unchanged_since_write(const std::string& link) {
  Devices devices(socket_);
  const auto now = devices.find(link);
  if (!now) return false;
  const auto written = last_written_.links.find(link);
  if (written == last_written_.links.end()) return *now == nullptr || !is_of_our_kind(**now);
  if (*now == nullptr) return false;
  LinkRow row = **now;
  row.carrier = written->second.carrier;  // none of our objects depends on it
  return row == written->second;
}

}  // namespace flannel
