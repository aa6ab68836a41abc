// SPDX-License-Identifier: Apache-2.0
// iptables by its own programs: one to read, one to change, each once for all rules. Loop thread
// only; the programs run beside the loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "loop/loop.h"

namespace flannel {

// There are two iptables, with rules of their own: over nftables, and the one from before. The
// system's is the one that "iptables" is a link to.
enum class IptablesKind { system, nft, legacy };
std::string_view to_string(IptablesKind kind);  // "iptables", "iptables-nft", "iptables-legacy"

class Iptables {
 public:
  template <typename T>
  using Reply = std::function<void(Result<T>)>;

  // ErrorKind::not_found: its programs are not installed. `loop` outlives it. Destroying it ends
  // what is under way, and no reply comes any more.
  static Result<std::unique_ptr<Iptables>> find(IptablesKind kind, Loop& loop);
  const std::string& name() const { return name_; }
  // Both run the same program, so they have the same rules.
  bool is_same(const Iptables& other) const { return program_ == other.program_; }
  // Of its rules' changes the kernel does not tell.
  bool is_legacy() const;

  // One call at a time: the next when its reply has come.
  bool busy() const { return running_ != nullptr; }
  // All tables, as iptables-save prints them.
  void save(Reply<std::string> reply);
  // `text` is input of iptables-restore; each table in it changes in one step, and what it does not
  // name stays. Waits for others who are changing rules.
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
