// SPDX-License-Identifier: Apache-2.0
// iptables through its own programs: iptables-save reads all rules, iptables-restore changes any
// number of them. Loop thread only; the programs run while the loop goes on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "loop/loop.h"
#include "net/address.h"

namespace flannel {

// A host has two iptables, each with rules of its own: `nft` works over nftables, `legacy` is the
// older one. `system` is the one that the name "iptables" links to. Each has programs of its own
// for IPv6.
enum class IptablesKind { system, nft, legacy };
// "iptables", "iptables-nft", "iptables-legacy"; "ip6tables" and so on.
std::string program_name(IptablesKind kind, Family family);

class Iptables {
 public:
  template <typename T>
  using Reply = std::function<void(Result<T>)>;

  // ErrorKind::not_found: its programs are not installed. `loop` outlives the object. Destroying
  // the object ends a program that runs, and no reply comes any more.
  static Result<std::unique_ptr<Iptables>> find(IptablesKind kind, Family family, Loop& loop);
  const std::string& name() const { return name_; }
  // True if both run the same program, and so have the same rules.
  bool is_same(const Iptables& other) const { return program_ == other.program_; }
  // The kernel sends no notifications for legacy rules.
  bool is_legacy() const;

  // One call at a time: the next when its reply has come.
  bool busy() const { return running_ != nullptr; }
  // All tables, as iptables-save prints them.
  void save(Reply<std::string> reply);
  // `text` is input for iptables-restore --noflush: each table in it changes in one step, and what
  // it does not name stays. Waits while another process is changing rules.
  void restore(std::string text, Reply<void> reply);

 private:
  Iptables(std::string name, std::string save, std::string restore, Loop& loop);
  void start(std::vector<std::string> words, std::string input, Reply<std::string> reply);

  std::string name_, save_, restore_;
  std::string program_;  // what `save_` is a link to
  Loop& loop_;
  SubscriptionPtr running_;
};

}  // namespace flannel
