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

  Link device(VxlanSettings vxlan) const {
    return {.name = link_, .kind = std::move(vxlan), .mtu = is_v4() ? 1450U : 1430U};
  }
  static LowerDevice interface(const char* name) {
    return {name, static_cast<int>(::if_nametoindex(name))};
  }
  VxlanSettings vxlan() const {
    return {.vni = 1, .lower = interface("eth0"), .local = local(), .mac = mac(1)};
  }
  Address address() const { return {.link = link_, .ip = base(1), .bits = address_bits(family_)}; }

  // The `number`th peer's subnet is 10.5.<number>.0/24 (and on: 10.6.0.0/24 is the 256th), or
  // fd00:5:0:<number>::/64.
  IpAddress base(unsigned number) const {
    return is_v4() ? IpAddress::v4(10, 5, 0, 0).plus(number, 8)
                   : IpAddress::parse_v6("fd00:5::").value().plus(number, 64);
  }
  IpPrefix subnet(unsigned number) const {
    return {base(number), static_cast<std::uint8_t>(is_v4() ? 24 : 64)};
  }
  Neighbour neighbour(unsigned number) const {
    return {.link = link_, .ip = base(number), .mac = mac(number)};
  }
  FdbEntry fdb(unsigned number) const {
    return {.link = link_, .mac = mac(number), .remote = remotes().plus(number)};
  }
  Route route(unsigned number) const {
    return {.to = subnet(number), .via = base(number), .link = link_, .onlink = true};
  }
  NetState peers(unsigned first, unsigned count) const {
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

  Scope scope(std::vector<std::string> names) const {
    return {.link_names = std::move(names),
            .networks = {{base(0), static_cast<std::uint8_t>(is_v4() ? 16 : 32)}}};
  }
  NetState read() { return read({link_}); }
  NetState read(std::vector<std::string> names) {
    auto state = kernel_->read(scope(std::move(names)));
    if (!state) throw std::runtime_error(state.error().text);
    return *std::move(state);
  }

  bool is_v4() const { return family_ == Family::v4; }
  IpAddress local() const {
    return is_v4() ? IpAddress::v4(192, 0, 2, 1) : IpAddress::parse_v6("2001:db8::1").value();
  }
  IpAddress remotes() const {
    return is_v4() ? IpAddress::v4(198, 18, 0, 0) : IpAddress::parse_v6("2001:db8:1::").value();
  }

  // The overlay, its device and its underlay are of this family.
  void use(Family family) {
    family_ = family;
    link_ = is_v4() ? "flannel.1" : "flannel-v6.1";
    if (!is_v4()) shell("ip -6 address add 2001:db8::1/64 dev eth0 nodad");
  }

  Family family_ = Family::v4;
  std::string link_ = "flannel.1";
  std::unique_ptr<LinuxKernel> kernel_;
};

}  // namespace flannel
