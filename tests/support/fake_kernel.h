// SPDX-License-Identifier: Apache-2.0
// A kernel for tests: keeps state under the rules by which Linux keeps it (a route needs its device
// up, a device takes along what is on it), fails what it is told to fail, and counts.
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

namespace flannel {

class FakeKernel final : public Kernel {
 public:
  Result<NetState> read(const Scope& scope) override;
  std::vector<Result<void>> apply(std::span<const KernelChange> changes) override;

  // A device that is none of ours, with the network that is on it ("192.0.2.1/24").
  void add_foreign_device(const std::string& name, std::string_view address = {});
  // What the packet path does.
  void open_tun(const std::string& name, std::uint32_t mtu = 1500);
  // A device of any owner goes down, up, or away, with all that the kernel drops then.
  void set_up(const std::string& name, bool up);
  void delete_device(const std::string& name);
  // One that is none of ours has another name, also in what leads through it.
  void rename_device(const std::string& name, const std::string& to);
  // Somebody else's `ip` or `bridge`: puts an object, or deletes what dump() says begins so.
  void meddle(KernelObject object) { add(state_, std::move(object)); }
  void erase(std::string_view line);

  // Every change of an object whose line contains `words` fails, until heal().
  void refuse(std::string words, Error error) { failures_.insert_or_assign(words, error); }
  // Every such change is acknowledged and not done.
  void lose(std::string words) { lost_.insert(std::move(words)); }
  void heal() { failures_.clear(), lost_.clear(), read_error_.reset(); }
  void refuse_reads(Error error) { read_error_ = std::move(error); }
  // Dumps come in the other order; the kernel promises none.
  void read_backwards() { backwards_ = true; }

  // All objects of our kinds, whoever made them.
  std::string dump() const { return flannel::dump(state_); }
  const NetState& state() const { return state_; }

  int reads() const { return reads_; }
  int batches() const { return batches_; }
  // The changes asked for since the last call, one line each: "put route ..", in their order.
  std::string take_log() { return std::exchange(log_, {}); }

 private:
  struct Foreign {
    std::optional<Cidr4> network;
    bool up = true;
  };

  Result<void> carry_out(const KernelChange& change);
  Result<void> put(const Link& link);
  Result<void> put(const Address& address);
  Result<void> put(const Neighbour& neighbour);
  Result<void> put(const FdbEntry& entry);
  Result<void> put(const Route& route);
  void remove(const KernelObject& object);
  void drop_all_on(const std::string& name);
  void drop_for_down(const std::string& name);
  Link* find(const std::string& name);
  Result<void> need_device(const std::string& name);
  Result<bool> is_up(const std::string& name);
  bool reaches(const std::string& device, Ip4 gateway) const;

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
