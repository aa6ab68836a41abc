// SPDX-License-Identifier: Apache-2.0
// The parts of a report about the host, which need neither flanneld nor the store.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "base/file.h"
#include "base/parse.h"
#include "base/version.h"
#include "core/json_text.h"
#include "ctl/control_client.h"
#include "ctl/flannel_rules.h"
#include "ctl/report_parts.h"
#include "filter/program.h"
#include "kernel/objects/leftovers.h"
#include "loop/epoll_loop.h"
#include "rules/nft_text.h"

namespace flannel {
namespace {

constexpr const char* kDockerSocket = "/run/docker.sock";
constexpr std::chrono::seconds kLongestWait{5};

Result<std::string> output_of(std::vector<std::string> words) {
  auto loop = TRY(EpollLoop::open());
  Result<std::string> output = fail(ErrorKind::system, words.front() + " did not end");
  const auto running =
      TRY(run_program(*loop, {.words = std::move(words), .input = "", .deadline = kLongestWait},
                      [&](Result<std::string> text) {
                        output = std::move(text);
                        loop->stop();
                      }));
  TRY(loop->run());
  return output;
}

std::string name_of(const HostView& host, int index) {
  const auto at = std::ranges::find(host.interfaces, index, &Interface::index);
  return at == host.interfaces.end() ? fmt::format("interface {}", index) : at->name;
}

std::string line_of(const Interface& one) {
  std::string line = fmt::format("link {} index {} mtu {}{}{}\n", one.name, one.index, one.mtu,
                                 one.up ? " up" : " down", one.carrier ? "" : " no-carrier");
  for (const InterfaceAddress& address : one.addresses) {
    line +=
        fmt::format("addr {}/{} dev {}{}{}{}\n", to_string(address.ip), address.bits, one.name,
                    address.temporary ? " temporary" : "", address.deprecated ? " deprecated" : "",
                    address.unproven ? " tentative" : "");
  }
  return line;
}

// The names below /proc/sys; a star stands for each interface.
constexpr std::string_view kSysctls[] = {
    "kernel/osrelease",
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/all/disable_ipv6",
    "net/ipv4/conf/*/rp_filter",
    "net/ipv4/conf/*/forwarding",
    "net/ipv6/conf/*/accept_ra",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/netfilter/nf_conntrack_count",
    "net/netfilter/nf_conntrack_max",
    "net/ipv4/neigh/default/gc_thresh3",
    "net/core/rmem_max",
};

void append_sysctl(const std::string& name, std::string& text) {
  const auto value = read_file("/proc/sys/" + name);
  if (value) text += name + " = " + std::string(trim(*value)) + "\n";
}

std::vector<std::string> names_in(const std::string& folder) {
  std::error_code missing;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

}  // namespace

Result<std::string> report_release(ReportSources&) {
  utsname kernel{};
  ::uname(&kernel);
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return fmt::format("flannelctl {}\nkernel {} {} {} {}\ntime {:%FT%TZ}\n", version(),
                     kernel.sysname, kernel.release, kernel.version, kernel.machine,
                     fmt::gmtime(now));
}

Result<std::string> report_host(ReportSources& sources) {
  const HostView host = TRY(sources.host());
  std::string text;
  for (const Interface& one : host.interfaces)
    text += line_of(one);
  for (const DefaultRoute& route : host.default_routes) {
    text += fmt::format(
        "route default{}{}\n", route.gateway ? " via " + to_string(*route.gateway) : "",
        route.interface_index ? " dev " + name_of(host, *route.interface_index) : " multipath");
  }
  for (const HostRoute& route : host.routes) {
    text += fmt::format("route {}{} dev {} metric {}\n", to_string(route.to),
                        route.gateway ? " via " + to_string(*route.gateway) : "",
                        name_of(host, route.interface_index), route.metric);
  }
  return text;
}

Result<std::string> report_objects(ReportSources&) {
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  std::string text;
  for (const Leftover& object : TRY(find_leftovers(socket)))
    text += object.text + "\n";
  std::vector<std::string> unseen;
  for (const FlannelRules& rules : find_flannel_rules(unseen)) {
    for (const std::string& line : rules.lines)
      text += line + "\n";
  }
  for (const std::string& why : unseen)
    text += "not seen: " + why + "\n";
  return text;
}

Result<std::string> report_rules(ReportSources&) {
  const auto nft = find_program("nft");
  if (!nft) return fail(ErrorKind::not_found, "there is no program nft");
  constexpr std::string_view kTable = "table ";
  std::string text;
  const std::string tables = TRY(output_of({*nft, "list", "tables"}));
  for (const std::string_view line : split(tables, '\n')) {
    if (!line.starts_with(kTable)) continue;
    const std::string table(line.substr(kTable.size()));
    if (!is_flannel_nft_table(table)) continue;
    const auto words = split(table, ' ');
    text += TRY(output_of(
        {*nft, "list", "table", std::string(words[0]), std::string(words[words.size() - 1])}));
  }
  return text.empty() ? "there is no table of flanneld\n" : text;
}

Result<std::string> report_sysctls(ReportSources&) {
  std::string text;
  for (const std::string_view name : kSysctls) {
    const std::size_t star = name.find('*');
    if (star == std::string_view::npos) {
      append_sysctl(std::string(name), text);
      continue;
    }
    const std::string folder(name.substr(0, star));
    for (const std::string& interface : names_in("/proc/sys/" + folder))
      append_sysctl(folder + interface + std::string(name.substr(star + 1)), text);
  }
  return text;
}

Result<std::string> report_docker(ReportSources&) {
  HttpCall call{.method = "GET", .path = "/version", .body = "", .content_type = ""};
  HttpEnd end = TRY(call_unix_socket(kDockerSocket, "docker", std::move(call), kLongestWait));
  const std::string body = TRY(std::move(end.body));
  const auto json = nlohmann::ordered_json::parse(body, nullptr, false);
  if (json.is_discarded()) return fail(ErrorKind::invalid, "Docker's answer is no JSON");
  return json_text(json);
}

}  // namespace flannel
