// SPDX-License-Identifier: Apache-2.0
#include "kernel/ports/tun.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "base/log.h"
#include "kernel/host/sysctl.h"
#include "kernel/netlink/netlink_socket.h"
#include "kernel/ports/stale_tun.h"
#include "kernel/ports/tun_queue.h"

// The headers of Debian 12 lack these constants of Linux 6.2.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace flannel {
namespace {

constexpr const char* kTunFile = "/dev/net/tun";

constexpr int kHeaderSize = 10;  // virtio_net_hdr

ifreq request_for(const std::string& name, unsigned flags) {
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(flags);
  return request;
}

unsigned flags_of(const ifreq& request) {
  return static_cast<std::uint16_t>(request.ifr_flags);
}

bool set_offloads(int fd, unsigned offloads) {
  return ::ioctl(fd, TUNSETOFFLOAD, offloads) == 0;
}

// Requests fewer and fewer offloads, because the kernel refuses a request as a whole if it does not
// know one of them.
TunAbilities ask_offloads(int fd, const TunAbilities& wanted) {
  constexpr unsigned kTcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  constexpr unsigned kUdp = TUN_F_USO4 | TUN_F_USO6;  // the kernel accepts only both together
  int size = kHeaderSize;
  ifreq request{};
  if (::ioctl(fd, TUNGETIFF, &request) != 0 || (flags_of(request) & IFF_VNET_HDR) == 0 ||
      ::ioctl(fd, TUNSETVNETHDRSZ, &size) != 0) {
    return {};
  }
  if (wanted.udp && set_offloads(fd, kTcp | kUdp)) {
    return {.header = true, .tcp = true, .udp = true};
  }
  if (wanted.tcp && set_offloads(fd, kTcp)) return {.header = true, .tcp = true};
  set_offloads(fd, 0);
  return {.header = true};
}

void log_missing(const TunDevice& device) {
  if (device.abilities == TunAbilities{true, true, true}) return;
  log::warning("TUN device without some offloads, packets will cost more",
               {{"device", device.name}, {"has", to_string(device.abilities)}});
}

void allow(const std::string& name, const std::string& setting, const char* otherwise) {
  const auto done = write_sysctl("net/ipv4/conf/" + name + "/" + setting, "1");
  if (!done) log::warning(otherwise, {{"why", done.error().text}});
}

void allow_what_we_need(const std::string& name) {
  // Our ICMP errors come out of the device with the device's own address as their source, which
  // Linux treats as forged (seen on 6.18: no answer to an expired TTL arrived, nor any of
  // upstream's "net unreachable"). The packet path accepts no other packet with that source.
  allow(name, "accept_local",
        "ICMP errors of the packet path will not reach this host's containers");
  // The address of a new lease is in the same network as the old lease's, and would be removed with
  // it.
  allow(name, "promote_secondaries",
        "a change of the subnet will cost the device its address for up to a minute");
}

// The kernel requires CAP_NET_ADMIN only if the device has another owner. Without an owner every
// user who can open /dev/net/tun (with udev: all users) could attach to the device: while we run
// with one more queue, which gets a share of the packets, and while we do not run with the only
// queue, so that we could not start.
Result<void> own(const std::string& name, const Fd& queue) {
  if (::ioctl(queue.get(), TUNSETOWNER, static_cast<unsigned long>(::geteuid())) != 0) {
    return os_error("own the TUN device " + name);
  }
  return {};
}

unsigned wanted_flags(const TunOptions& options) {
  return IFF_TUN | IFF_NO_PI | (options.queues > 1 ? IFF_MULTI_QUEUE : 0u);
}

// Opens all queues of one device, whose name has been chosen.
Result<TunDevice> attach(const std::string& name, const TunOptions& options, bool adopted) {
  TunDevice device{.name = name, .adopted = adopted, .abilities = {}, .queues = {}};
  const unsigned flags = wanted_flags(options);
  for (int i = 0; i < options.queues; ++i) {
    auto queue = attach_tun_queue(name, flags | (options.wanted.header ? IFF_VNET_HDR : 0u));
    // The kernel has no virtio headers (before 2.6.27), or the device cannot change to them.
    if (!queue && queue.error().kind == ErrorKind::invalid) queue = attach_tun_queue(name, flags);
    if (!queue) return tl::unexpected(std::move(queue).error());
    if (i == 0) TRY(own(name, *queue));
    device.queues.push_back(*std::move(queue));
  }
  device.abilities = ask_offloads(device.queues.front().get(), options.wanted);
  const auto persistent = set_persistent(device, options.persistent);
  if (!persistent) return tl::unexpected(persistent.error());
  allow_what_we_need(name);
  log_missing(device);
  return device;
}

// Removes a device whose number of queues cannot change: from one to several, or from several to
// one.
bool make_way(const std::string& name, const TunFacts& found) {
  if (!remove_stale_tun(name, found)) return false;
  log::info("device of the earlier run removed, its queues are of another kind",
            {{"device", name}});
  return true;
}

// Devices with an address in our networks; all that we may use.
enum class Candidates { only_ours, any };

// nullopt: the device is in use, belongs to another program, or does not match `candidates`; the
// caller tries the next name.
Result<std::optional<TunDevice>> try_device(NetlinkSocket& socket, const std::string& name,
                                            const TunOptions& options, Candidates candidates) {
  auto found = TRY(read_tun(socket, name));
  if (!found && candidates == Candidates::only_ours) return std::nullopt;
  if (found) {
    if (!found->may_be_stale()) return std::nullopt;
    auto address = AddressIn::nowhere;
    if (!options.networks.empty()) {
      address = TRY(find_address(socket, *found, options.networks));
    }
    if (address == AddressIn::elsewhere) return std::nullopt;
    if (candidates == Candidates::only_ours && address != AddressIn::network) return std::nullopt;
    if (found->multi_queue != (options.queues > 1)) {
      if (address != AddressIn::network || !make_way(name, *found)) return std::nullopt;
      found.reset();
    }
  }
  auto device = attach(name, options, found.has_value());
  if (device) return *std::move(device);
  // The device is in use, perhaps only since read_tun().
  if (device.error().kind == ErrorKind::exists) return std::nullopt;
  return tl::unexpected(std::move(device).error());
}

// A container has the file only if it was passed in.
Failure cannot_open(int code) {
  Error error = os_error(std::string("open ") + kTunFile, code).value();
  if (code == ENOENT || code == ENODEV || code == ENXIO) {
    error.text += ", and the backend udp needs it: modprobe tun; in a container --device ";
    error.text += kTunFile;
  } else if (code == EPERM || code == EACCES) {
    error.text +=
        ", and the backend udp needs it: in a container --device /dev/net/tun, in a unit "
        "DeviceAllow=/dev/net/tun rw";
  }
  return Failure(std::move(error));
}

}  // namespace

Result<Fd> attach_tun_queue(const std::string& name, unsigned flags) {
  Fd fd{::open(kTunFile, O_RDWR | O_CLOEXEC | O_NONBLOCK)};
  if (!fd) return cannot_open(errno);
  ifreq request = request_for(name, flags);
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) {
    if (errno == EBUSY) {
      return fail(ErrorKind::exists, fmt::format("the TUN device {} is in use", name));
    }
    return os_error(fmt::format("attach to the TUN device {}", name));
  }
  return fd;
}

std::string to_string(const TunAbilities& abilities) {
  if (!abilities.header) return "none";
  if (!abilities.tcp) return "checksum";
  return abilities.udp ? "tcp udp" : "tcp";
}

Result<TunDevice> open_tun(const TunOptions& options) {
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  const std::size_t number_at = options.name.find("%d");
  const int names = number_at == std::string::npos ? 1 : kMostTunDevices;
  // A stale device of this network is preferred, whatever its number.
  for (const Candidates candidates : {Candidates::only_ours, Candidates::any}) {
    if (candidates == Candidates::only_ours && options.networks.empty()) continue;
    for (int number = 0; number < names; ++number) {
      std::string name = options.name;
      if (number_at != std::string::npos) name.replace(number_at, 2, std::to_string(number));
      auto device = TRY(try_device(socket, name, options, candidates));
      if (device) return *std::move(device);
    }
  }
  return fail(ErrorKind::exists, fmt::format("every device {} is in use", options.name));
}

Result<TunDevice> resume_tun(std::vector<Fd> queues, const TunOptions& options) {
  if (queues.empty()) return fail(ErrorKind::invalid, "resume a TUN device: no queue was kept");
  ifreq request{};
  if (::ioctl(queues.front().get(), TUNGETIFF, &request) != 0) {
    return os_error("resume a TUN device");
  }
  TunDevice device{
      .name = request.ifr_name, .adopted = true, .abilities = {}, .queues = std::move(queues)};
  for (const Fd& queue : device.queues) {
    ifreq other{};
    if (::ioctl(queue.get(), TUNGETIFF, &other) != 0) {
      return os_error("resume the TUN device " + device.name);
    }
    if (device.name != other.ifr_name) {
      return fail(ErrorKind::invalid,
                  fmt::format("resume the TUN device {}: a queue of {} is among", device.name,
                              other.ifr_name));
    }
    if (::fcntl(queue.get(), F_SETFL, O_NONBLOCK) != 0) {
      return os_error("resume the TUN device " + device.name);
    }
  }
  TRY(own(device.name, device.queues.front()));
  device.abilities = ask_offloads(device.queues.front().get(), options.wanted);
  const auto persistent = set_persistent(device, options.persistent);
  if (!persistent) return tl::unexpected(persistent.error());
  log_missing(device);
  return device;
}

Result<std::vector<Fd>> duplicate(const TunDevice& device) {
  std::vector<Fd> copies;
  for (const Fd& queue : device.queues) {
    copies.emplace_back(::fcntl(queue.get(), F_DUPFD_CLOEXEC, 0));
    if (!copies.back()) return os_error("duplicate a queue of " + device.name);
  }
  return copies;
}

Result<void> set_persistent(const TunDevice& device, bool persistent) {
  if (::ioctl(device.queues.front().get(), TUNSETPERSIST, persistent ? 1UL : 0UL) != 0) {
    return os_error(
        fmt::format("make {} {}", device.name, persistent ? "persistent" : "temporary"));
  }
  return {};
}

}  // namespace flannel
