// SPDX-License-Identifier: Apache-2.0
// The real kernel in a namespace of its own, with a vxlan device and peers on it.
#pragma once

#include <net/if.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "kernel/objects/linux_kernel.h"
#include "support/fresh_netns.h"

namespace flannel {

class LinuxKernelTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (!IsSkipped()) open({});
  }

  void open(LinuxKernel::Options options) {
    auto kernel = LinuxKernel::open(options);
    if (!kernel) throw std::runtime_error(kernel.error().text);
    kernel_ = *std::move(kernel);
  }

  static Mac mac(std::uint32_t number) {
    return {{0x02, 0, 0, static_cast<std::uint8_t>(number >> 16),
             static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
  }

  static Link device(VxlanSettings vxlan) {
    return {.name = "flannel.1", .kind = std::move(vxlan), .mtu = 1450};
  }
  static LowerDevice interface(const char* name) {
    return {name, static_cast<int>(::if_nametoindex(name))};
  }
  static VxlanSettings vxlan() {
    return {
        .vni = 1, .lower = interface("eth0"), .local = IpAddress::v4(192, 0, 2, 1), .mac = mac(1)};
  }
  static Address address() { return {.link = "flannel.1", .ip = IpAddress::v4(10, 5, 1, 0)}; }

  // The `number`th peer's subnet is 10.5.<number>.0/24 (and on: 10.6.0.0/24 is the 256th).
  static IpAddress base(unsigned number) { return IpAddress::v4(10, 5, 0, 0).plus(number, 8); }
  static Neighbour neighbour(unsigned number) {
    return {.link = "flannel.1", .ip = base(number), .mac = mac(number)};
  }
  static FdbEntry fdb(unsigned number) {
    return {.link = "flannel.1",
            .mac = mac(number),
            .remote = IpAddress::v4(198, 18, 0, 0).plus(number)};
  }
  static Route route(unsigned number) {
    return {.to = {base(number), 24}, .via = base(number), .link = "flannel.1", .onlink = true};
  }
  static NetState peers(unsigned first, unsigned count) {
    NetState state;
    for (unsigned number = first; number < first + count; ++number) {
      state.neighbours.push_back(neighbour(number));
      state.fdb.push_back(fdb(number));
      state.routes.push_back(route(number));
    }
    return state;
  }

  std::vector<Result<void>> apply(Op op, std::vector<KernelObject> objects) {
    std::vector<KernelChange> changes;
    for (KernelObject& object : objects)
      changes.push_back({op, std::move(object)});
    return kernel_->apply(changes);
  }
  // Fails the test if one of the changes fails.
  void put(std::vector<KernelObject> objects) { all_well(apply(Op::put, std::move(objects))); }
  void put(const NetState& state) { put(objects_of(state)); }
  void remove(std::vector<KernelObject> objects) {
    std::ranges::reverse(objects);
    all_well(apply(Op::remove, std::move(objects)));
  }
  void recreate(KernelObject object) { all_well(apply(Op::recreate, {std::move(object)})); }
  void put_device() { put({device(vxlan()), address()}); }
  static void all_well(const std::vector<Result<void>>& results) {
    for (const auto& result : results)
      EXPECT_TRUE(result) << result.error().text;
  }
  // Returns "ok", or the error of the only one of `objects`.
  std::string outcome(Op op, KernelObject object) {
    const auto results = apply(op, {std::move(object)});
    return results.at(0) ? "ok" : results.at(0).error().text;
  }

  NetState read(std::vector<std::string> names = {"flannel.1"}) {
    auto state = kernel_->read({.link_names = std::move(names), .networks = {{base(0), 16}}});
    if (!state) throw std::runtime_error(state.error().text);
    return *std::move(state);
  }

  std::unique_ptr<LinuxKernel> kernel_;
};

}  // namespace flannel
