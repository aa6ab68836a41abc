// SPDX-License-Identifier: Apache-2.0
// Measures how long the real kernel takes for N peers of a vxlan network. Each peer has a
// neighbour, an FDB entry and a route. The program makes a network namespace of its own; run it as
// root, in a release build:
//   kernel_bench [--runs R] [--plain-routes P] N...
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <vector>

#include "kernel/objects/linux_kernel.h"

namespace {

using namespace flannel;

struct Options {
  std::size_t runs = 5;
  std::size_t plain_routes = LinuxKernel::Options{}.plain_routes;
  std::vector<unsigned> peers;
};

[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "kernel_bench: {}\n", why);
  std::exit(1);
}

template <typename Value>
Value must(Result<Value> result) {
  if (!result) give_up(result.error().text);
  return *std::move(result);
}

void shell(const char* command) {
  if (std::system(command) != 0) give_up(std::string("failed: ") + command);
}

Mac mac(unsigned number) {
  return {{0x02, 0, 0, static_cast<std::uint8_t>(number >> 16),
           static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
}

NetState host() {
  NetState state;
  state.links.push_back(
      {.name = "flannel.1",
       .kind = VxlanSettings{.lower = {"eth0", static_cast<int>(::if_nametoindex("eth0"))},
                             .local = IpAddress::v4(192, 0, 2, 1),
                             .mac = mac(1)},
       .mtu = 1450});
  state.addresses.push_back({.link = "flannel.1", .ip = IpAddress::v4(10, 0, 1, 0)});
  return state;
}

NetState peers(unsigned count) {
  NetState state;
  for (unsigned number = 2; number < count + 2; ++number) {
    const IpAddress base = IpAddress::v4(10, 0, 0, 0).plus(number, 8);
    state.neighbours.push_back({.link = "flannel.1", .ip = base, .mac = mac(number)});
    state.fdb.push_back({.link = "flannel.1",
                         .mac = mac(number),
                         .remote = IpAddress::v4(198, 18, 0, 0).plus(number)});
    state.routes.push_back({.to = {base, 24}, .via = base, .link = "flannel.1", .onlink = true});
  }
  return state;
}

std::vector<KernelChange> changes(Op op, const NetState& state) {
  std::vector<KernelChange> list;
  for (KernelObject& object : objects_of(state))
    list.push_back({op, std::move(object)});
  if (op == Op::remove) std::ranges::reverse(list);
  return list;
}

void carry_out(LinuxKernel& kernel, const std::vector<KernelChange>& list) {
  for (const auto& result : kernel.apply(list)) {
    if (!result) give_up(result.error().text);
  }
}

double milliseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

std::string spread(std::vector<double> values) {
  std::ranges::sort(values);
  return fmt::format("{:8.1f} ({:.1f}-{:.1f})", values[values.size() / 2], values.front(),
                     values.back());
}

void measure(const Options& options, unsigned count) {
  const Scope scope{.link_names = {"flannel.1"}, .networks = {{IpAddress::v4(10, 0, 0, 0), 8}}};
  std::vector<double> put, again, read, one, gone;
  for (std::size_t run = 0; run < options.runs; ++run) {
    auto kernel = must(LinuxKernel::open({.plain_routes = options.plain_routes}));
    const auto all = changes(Op::put, peers(count));
    const auto none = changes(Op::remove, peers(count));
    carry_out(*kernel, changes(Op::put, host()));
    put.push_back(milliseconds([&] { carry_out(*kernel, all); }));
    NetState state;
    read.push_back(milliseconds([&] { state = must(kernel->read(scope)); }));
    if (state.routes.size() != count || state.neighbours.size() != count)
      give_up("some are missing");
    again.push_back(milliseconds([&] { carry_out(*kernel, all); }));
    const auto single = changes(Op::put, peers(1));
    one.push_back(milliseconds([&] { carry_out(*kernel, single); }));
    gone.push_back(milliseconds([&] { carry_out(*kernel, none); }));
    carry_out(*kernel, changes(Op::remove, host()));
  }
  fmt::print("{:6} peers, ms: put{} read{} put again{} put one{} remove{}\n", count, spread(put),
             spread(read), spread(again), spread(one), spread(gone));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.starts_with("--") && i + 1 == argc) give_up("a value is missing");
    if (word == "--runs") {
      options.runs = std::strtoul(argv[++i], nullptr, 10);
    } else if (word == "--plain-routes") {
      options.plain_routes = std::strtoul(argv[++i], nullptr, 10);
    } else {
      options.peers.push_back(static_cast<unsigned>(std::strtoul(argv[i], nullptr, 10)));
    }
  }
  if (options.peers.empty()) options.peers = {100, 1000, 5000, 10000};
  if (::unshare(CLONE_NEWNET) != 0) give_up("no network namespace of its own; run as root");
  shell("ip link add eth0 type veth peer name wire && ip link set wire up && ip link set eth0 up");
  shell("ip address add 192.0.2.1/24 dev eth0");
  for (const unsigned count : options.peers)
    measure(options, count);
  return 0;
}
