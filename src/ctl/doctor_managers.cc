// SPDX-License-Identifier: Apache-2.0
// Whether a program that configures networks takes the devices of the overlay for its own.
#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/parse.h"
#include "base/printable.h"
#include "ctl/doctor.h"
#include "ctl/host_bridge.h"

namespace flannel::doctor {
namespace {

constexpr std::size_t kLongest = 64 << 10;  // bytes; such a file has some hundreds

// The value of a line NAME=VALUE; empty: there is none. The files are of root, and their texts may
// be any.
std::string value_in(const std::string& text, std::string_view name) {
  for (const std::string_view line : split(text, '\n')) {
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=') {
      return std::string(line.substr(name.size() + 1));
    }
  }
  return "";
}

// The names of files of ours in dist/, with which the programs leave the devices alone.
bool is_of_flannel(std::string_view name) {
  return name.starts_with("flannel") ||
         (name.size() > 4 && name.starts_with("fl") && name[2] >= '2' && name[2] <= '9');
}

std::vector<const Interface*> devices_of_overlay(const DaemonView& daemon, const HostView& host) {
  std::vector<std::string> bridges;
  for (const IpPrefix& own : daemon.own)
    bridges.push_back(bridge_of(own, host));
  std::vector<const Interface*> devices;
  for (const Interface& one : host.interfaces) {
    const bool is_bridge = std::ranges::find(bridges, one.name) != bridges.end();
    if (is_bridge || is_of_flannel(one.name)) devices.push_back(&one);
  }
  return devices;
}

std::string networkd_remedy(const std::string& device) {
  return fmt::format(
      "write /etc/systemd/network/10-{0}.network with the lines [Match], Name={0}, [Link], "
      "Unmanaged=yes, and then: networkctl reload",
      device);
}

Check of_networkd(const Interface& device, const std::string& file) {
  return {.verdict = Verdict::wrong,
          .area = "managers",
          .text = fmt::format("systemd-networkd configures {} by {}, and removes addresses and "
                              "routes of others from it when it starts",
                              device.name, word_or_quoted(shortened(file))),
          .code = "device-managed",
          .remedy = networkd_remedy(device.name)};
}

Check of_network_manager(const Interface& device) {
  return {.area = "managers",
          .text = fmt::format(
              "NetworkManager counts {0} among its devices; it may leave it as it is, and surely "
              "does with /etc/NetworkManager/conf.d/10-{0}.conf with the lines [keyfile], "
              "unmanaged-devices+=interface-name:{0}",
              device.name)};
}

}  // namespace

void check_managers(const std::string& root, const DaemonView& daemon, const HostView& host,
                    Checks& checks) {
  const std::size_t before = checks.size();
  for (const Interface* device : devices_of_overlay(daemon, host)) {
    const auto networkd =
        read_file(fmt::format("{}/run/systemd/netif/links/{}", root, device->index), kLongest);
    const std::string file = networkd ? value_in(*networkd, "NETWORK_FILE") : "";
    const bool is_managed = !file.empty() && value_in(*networkd, "ADMIN_STATE") != "unmanaged";
    if (is_managed) checks.push_back(of_networkd(*device, file));
    const auto manager =
        read_file(fmt::format("{}/run/NetworkManager/devices/{}", root, device->index), kLongest);
    if (manager && value_in(*manager, "managed") == "true") {
      checks.push_back(of_network_manager(*device));
    }
  }
  if (checks.size() > before) return;
  checks.push_back({.area = "managers",
                    .text = "no program that configures networks has taken the overlay's devices"});
}

}  // namespace flannel::doctor
