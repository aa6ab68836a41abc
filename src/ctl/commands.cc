// SPDX-License-Identifier: Apache-2.0
#include "base/nearest.h"
#include "base/parse.h"
#include "base/printable.h"
#include "core/network_name.h"
#include "ctl/command.h"

namespace flannel {
namespace {

Failure unknown(const std::string& typed, std::span<const std::string> known) {
  std::string text = "unknown command " + in_quotes(typed);
  const auto near = nearest(typed, known);
  text += near ? ", did you mean " + in_quotes(*near) + "?" : "; `flannelctl help` lists them";
  return fail(ErrorKind::invalid, text);
}

// Makes the error for "config" alone or "config gte".
Failure unknown_second_word(std::span<const std::string> words,
                            const std::vector<std::string>& siblings) {
  if (words.size() > 1) return unknown(words[0] + " " + words[1], siblings);
  std::string text = in_quotes(words[0]) + " needs a second word:";
  for (const std::string& name : siblings)
    text += " `" + name + "`";
  return fail(ErrorKind::invalid, text);
}

constexpr std::chrono::seconds kDrainTimeout{30};
constexpr std::chrono::seconds kReportTimeout{5};  // a store that is away must not hold it up

constexpr Command kCommands[] = {
    {"config get", "", "print the configuration of the network", 0, 0, {}, run_config_get},
    {"config set",
     "FILE|-|JSON",
     "check a configuration and write it, unless it cuts off hosts or has changed meanwhile",
     1,
     1,
     {"underlay-mtu", "force", "wait"},
     run_config_set},
    {"config check",
     "[FILE|-|JSON]",
     "show what the network would look like and what hosts change; without an argument, the one in "
     "the store",
     0,
     1,
     {"underlay-mtu"},
     run_config_check},
    {"network list",
     "",
     "list the networks of the store that have names, and the one that has none",
     0,
     0,
     {"json"},
     run_network_list},
    {"network create",
     "NAME FILE|-|JSON",
     "make a network of this name, which hosts with --networks=NAME take part in",
     2,
     2,
     {"underlay-mtu"},
     run_network_create},
    {"network delete",
     "NAME",
     "delete the configuration of a network, in which no host has a lease",
     1,
     1,
     {"force"},
     run_network_delete},
    {"status",
     "",
     "show on one screen what the flanneld of this host does, and what is wrong",
     0,
     0,
     {"json", "control-socket", "watch"},
     run_status},
    {"peers",
     "",
     "list the other hosts as the flanneld of this host knows them",
     0,
     0,
     {"json", "control-socket", "sort", "state"},
     run_peers},
    {"ping",
     "PEER|ADDRESS",
     "send packets over the overlay to a peer or a container, and name the place where they stop",
     1,
     1,
     {"json", "control-socket", "count", "size"},
     run_ping},
    {"doctor",
     "",
     "check this host, and the way of packets to others: what is wrong, and what to do",
     0,
     0,
     {"json", "control-socket", "fix"},
     run_doctor},
    {"trace",
     "FROM TO",
     "follow a packet through this host, step by step, to where it stops; nothing is sent",
     2,
     2,
     {"json", "control-socket"},
     run_trace},
    {"diff",
     "",
     "list the kernel objects that flanneld wants and are missing (+), or are there unwanted (-)",
     0,
     0,
     {"json", "control-socket"},
     run_diff},
    {"events",
     "",
     "list what happened last on this host, up to 1,000 events",
     0,
     0,
     {"json", "control-socket"},
     run_events},
    {"log level",
     "[0-10]",
     "show or set how much flanneld logs, until its options are read again",
     0,
     1,
     {"json", "control-socket"},
     run_log_level},
    {"wireguard rotate",
     "",
     "give this host another WireGuard key, without a lost packet",
     0,
     0,
     {"json", "control-socket"},
     run_wireguard_rotate},
    {"leases", "", "list the subnets that hosts hold", 0, 0, {"json", "bad"}, run_leases},
    {"node list", "", "list the hosts of the cluster", 0, 0, {"json"}, run_node_list},
    {"node remove",
     "NODE",
     "delete the lease of a host that is gone for ever, so that its subnet is free",
     1,
     1,
     {"force"},
     run_node_remove},
    {"drain",
     "",
     "take this host out of the overlay: its lease is deleted, and packets that still arrive pass",
     0,
     0,
     {"state-dir", "no-wait", "control-socket"},
     run_drain,
     kDrainTimeout},
    {"undrain",
     "",
     "take the lease of this host again, with the same subnets",
     0,
     0,
     {"state-dir", "no-wait", "control-socket"},
     run_undrain,
     kDrainTimeout},
    {"cleanup",
     "",
     "remove the devices, routes and packet filter rules that flanneld made on this host",
     0,
     0,
     {"backend", "dry-run", "force"},
     run_cleanup},
    {"reserve",
     "SUBNET",
     "let the host that has a subnet keep it for ever, or keep a free one for --node",
     1,
     1,
     {"node"},
     run_reserve},
    {"unreserve",
     "SUBNET",
     "make a reservation a lease again; the lease ends unless its host renews it",
     1,
     1,
     {"node"},
     run_unreserve},
    {"store copy",
     "OLD NEW",
     "copy a network to another store; its hosts follow, and OLD decides until it is retired",
     2,
     2,
     {"dry-run", "force"},
     run_store_copy},
    {"store status",
     "OLD [NEW]",
     "list who has followed the move of a store",
     1,
     2,
     {},
     run_store_status},
    {"store retire",
     "OLD [NEW]",
     "end the move of a store once all hosts have followed",
     1,
     2,
     {"force"},
     run_store_retire},
    {"store abandon",
     "OLD",
     "give up the move of a store that is not retired",
     1,
     1,
     {},
     run_store_abandon},
    {"report",
     "",
     "collect what a bug report needs, without secrets, in an archive",
     0,
     0,
     {"output", "list", "anonymous", "control-socket"},
     run_report,
     kReportTimeout},
    {"version", "", "print the version", 0, 0, {}, run_version},
    {"help", "[COMMAND]", "explain the commands, or one of them", 0, 2, {}, run_help},
};

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

CtlOptions in_network(CtlOptions options, const std::string& network) {
  options.network = network;
  options.store.prefix = prefix_of_network(options.store.prefix, network);
  return options;
}

std::string call_of(const Command& command) {
  std::string call(command.name);
  if (!command.arguments.empty()) call.append(" ").append(command.arguments);
  return call;
}

Result<FoundCommand> find_command(std::span<const std::string> words) {
  if (words.empty()) {
    return fail(ErrorKind::invalid, "no command given; `flannelctl help` lists them");
  }
  std::vector<std::string> first_words;
  std::vector<std::string> siblings;  // commands that begin with the same word
  for (const Command& command : commands()) {
    const auto parts = split(command.name, ' ');
    const bool ours = parts[0] == words[0];
    if (ours && parts.size() == 1) return FoundCommand{&command, 1};
    if (ours && words.size() > 1 && parts[1] == words[1]) return FoundCommand{&command, 2};
    if (ours) siblings.emplace_back(command.name);
    first_words.emplace_back(parts[0]);
  }
  if (!siblings.empty()) return unknown_second_word(words, siblings);
  return unknown(words[0], first_words);
}

}  // namespace flannel
