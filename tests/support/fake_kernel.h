// SPDX-License-Identifier: Apache-2.0
// A kernel for tests. It keeps state by the rules of Linux (a route needs its device up, a deleted
// device takes its addresses and routes along), fails the operations that a test selects, and
// counts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plan/kernel.h"
#include "plan/left_device.h"

namespace flannel {

class FakeKernel final : public Kernel {
 public:
  Result<NetState> read(const Scope& scope) override;
  std::vector<Result<void>> apply(std::span<const KernelChange> changes) override;

  // Adds a device that is not ours, or another address ("192.0.2.1/24") to it.
  void add_foreign_device(const std::string& name, std::string_view address = {});
  // Adds a TUN device, as the packet path does.
  void open_tun(const std::string& name, std::uint32_t mtu = 1500);
  // Take any device down or up, or delete it, with everything that the kernel then drops.
  void set_up(const std::string& name, bool up);
  void delete_device(const std::string& name);
  // Renames a device that is not ours, also in the routes through it.
  void rename_device(const std::string& name, const std::string& to);
  // Act as `ip` or `bridge` of another user: add an object, or delete the object whose line in
  // dump() begins with `line`.
  void meddle(KernelObject object) { add(state_, std::move(object)); }
  void erase(std::string_view line);

  // Makes every change of an object whose line contains `words` fail, until heal().
  void refuse(std::string words, Error error) { failures_.insert_or_assign(words, error); }
  // Makes every such change be acknowledged but have no effect.
  void lose(std::string words) { lost_.insert(std::move(words)); }
  void heal() { failures_.clear(), lost_.clear(), read_error_.reset(); }
  void refuse_reads(Error error) { read_error_ = std::move(error); }
  // Reverses the order of dumps, since the kernel promises none.
  void read_backwards() { backwards_ = true; }

  // Returns all objects of our kinds, also those that others made.
  std::string dump() const { return flannel::dump(state_); }
  const NetState& state() const { return state_; }
  // Returns our devices that are there, as a new process finds them.
  std::vector<LeftDevice> left_devices(std::span<const IpPrefix> networks) const;

  int reads() const { return reads_; }
  int batches() const { return batches_; }
  // Returns the requested changes since the last call in order, one line each: "put route ..".
  std::string take_log() { return std::exchange(log_, {}); }

 private:
  struct Foreign {
    std::vector<IpPrefix> networks;
    bool up = true;
  };

  Result<void> carry_out(const KernelChange& change);
  Result<void> put(const Link& link);
  Result<void> put(const Address& address);
  Result<void> put(const Neighbour& neighbour);
  Result<void> put(const FdbEntry& entry);
  Result<void> put(const WireguardPeer& peer);
  Result<void> put(const IpsecPolicy& policy);
  Result<void> put(const Route& route);
  void remove(const KernelObject& object);
  void drop_all_on(const std::string& name);
  void drop_for_down(const std::string& name);
  Link* find(const std::string& name);
  Result<void> check_port(const Link& link) const;
  Result<void> need_device(const std::string& name);
  Result<bool> is_up(const std::string& name);
  bool reaches(const std::string& device, IpAddress gateway) const;

  NetState state_;
  std::map<std::string, Foreign> foreign_;
  std::map<std::string, Error> failures_;
  std::set<std::string> lost_;
  std::optional<Error> read_error_;
  bool backwards_ = false;
  int reads_ = 0;
  int batches_ = 0;
  std::string log_;
};

}  // namespace flannel
