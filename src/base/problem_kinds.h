// SPDX-License-Identifier: Apache-2.0
// All kinds of problems, by area. docs/problems.md has a row for each; tests/dist/test_problems.py
// compares the two.
#pragma once

#include "base/problem.h"

namespace flannel {

// Configuration in the store.
inline constexpr ProblemKind kConfigMissing{
    "config-missing", ProblemArea::config, Severity::critical,
    "there is no network configuration; waiting for it", "flannelctl config set"};
inline constexpr ProblemKind kConfigInvalid{
    "config-invalid", ProblemArea::config, Severity::critical,
    "the network configuration cannot be used; waiting for another one",
    "correct it with \"flannelctl config set\""};
inline constexpr ProblemKind kConfigGone{
    "config-gone", ProblemArea::config, Severity::warning,
    "the network configuration is gone from the store; the running one stays in force",
    "put it back with \"flannelctl config set\""};
inline constexpr ProblemKind kConfigNotUsed{
    "config-not-used", ProblemArea::config, Severity::warning,
    "the network configuration is not used; the running one stays in force",
    "remove the reason, or correct it with \"flannelctl config set\""};
inline constexpr ProblemKind kNetworkNotJoined{
    "network-not-joined", ProblemArea::network, Severity::critical,
    "this host takes no part in the network, trying again",
    "remove the reason; flanneld tries again by itself"};

// Networks of --networks=*.
inline constexpr ProblemKind kNetworksUnlisted{
    "networks-unlisted", ProblemArea::store, Severity::warning,
    "the networks of the store cannot be listed, trying again; those that are known go on",
    "see that the store runs, and that this host has the right to read all keys below its prefix"};
inline constexpr ProblemKind kNetworkNameUnusable{
    "network-name-unusable", ProblemArea::config, Severity::warning,
    "a network of the store has a name that none can have; this host takes no part in it",
    "delete its configuration from the store, and make it again under another name"};
inline constexpr ProblemKind kNetworkInUse{
    "network-in-use", ProblemArea::network, Severity::warning,
    "the network is gone from the store, and this host stays in it, for it is in use here",
    "remove the containers and the bridge, as by docker network rm, or put the configuration back"};
inline constexpr ProblemKind kNetworkLeaving{
    "network-leaving", ProblemArea::network, Severity::notice,
    "the network is gone from the store; this host leaves it",
    "to keep it, put its configuration back with \"flannelctl config set\""};

// Options of this daemon.
inline constexpr ProblemKind kOptionsUnreadable{
    "options-unreadable", ProblemArea::option, Severity::warning,
    "the options cannot be read; the running ones stay in force",
    "correct them, and reload flanneld"};
inline constexpr ProblemKind kOptionAtRestart{
    "option-at-restart", ProblemArea::option, Severity::warning,
    "an option has changed that takes effect at the next start", "restart flanneld to take it"};

// Store, and moves from one to another.
inline constexpr ProblemKind kStoreConnecting{"store-connecting", ProblemArea::store,
                                              Severity::waiting, "the store has not answered yet",
                                              ""};
inline constexpr ProblemKind kStoreAway{
    "store-away", ProblemArea::store, Severity::warning,
    "store away, trying again; the data plane goes on",
    "see that the store runs, and that this host reaches it and has the right to use it"};
inline constexpr ProblemKind kStoreNotHeard{
    "store-not-heard", ProblemArea::store, Severity::warning,
    "the store has not answered since the start; this host goes on with what it knew before",
    "see that the store runs, and that this host reaches it and has the right to use it"};
inline constexpr ProblemKind kKeptStateUnused{
    "kept-state-unused", ProblemArea::store, Severity::waiting,
    "what this host knew before is not used, and it waits for the store", ""};
inline constexpr ProblemKind kMoveNoteUnreadable{
    "move-note-unreadable", ProblemArea::store, Severity::warning,
    "the note about a move to another store cannot be read; this host does not follow",
    "run the command again that wrote it, or correct it with \"flannelctl config set\""};
inline constexpr ProblemKind kMoveOldStoreSilent{
    "move-old-store-silent", ProblemArea::store, Severity::warning,
    "the store that decides during the move does not answer",
    "if it is lost for ever: \"flannelctl store retire --force\""};
inline constexpr ProblemKind kMoveNotFollowed{
    "move-not-followed", ProblemArea::store, Severity::warning,
    "this host cannot follow the move to another store; packets go on",
    "see that this host reaches that store with its credentials, before the old one is retired"};
inline constexpr ProblemKind kMoveIncomplete{
    "move-incomplete", ProblemArea::store, Severity::critical,
    "the move to this store is not complete; this host takes no lease before",
    "run \"flannelctl store retire\" to its end"};
inline constexpr ProblemKind kMoveCircle{
    "move-circle", ProblemArea::store, Severity::warning,
    "the notes about moves lead in a circle; this host stays with its store",
    "correct the notes of one store by \"flannelctl config set --force\""};
inline constexpr ProblemKind kMoveElsewhere{
    "move-elsewhere", ProblemArea::store, Severity::warning,
    "this store is the target of a move from a store that this host does not use",
    "restart flanneld to follow it"};
inline constexpr ProblemKind kHealthRowUnwritten{
    "health-row-unwritten", ProblemArea::store, Severity::notice,
    "the view of this host is not in the store, trying again; packets pass",
    "see that this host may write below the prefix that the text names, or run flanneld without "
    "--publish-health"};

// Lease of this host, and records that compete with it.
inline constexpr ProblemKind kLeaseNone{"lease-none", ProblemArea::lease, Severity::waiting,
                                        "this host has no lease yet", ""};
inline constexpr ProblemKind kLeaseRefused{"lease-refused", ProblemArea::lease, Severity::critical,
                                           "no lease yet, trying again",
                                           "remove the reason: enlarge a network without a free "
                                           "subnet, give this host the right to write"};
inline constexpr ProblemKind kLeaseTrouble{
    "lease-trouble", ProblemArea::lease, Severity::error,
    "trouble with the lease, trying again; packets still pass",
    "remove the reason; a record that another host wrote wrongly: delete it from the store"};
inline constexpr ProblemKind kLeaseLost{
    "lease-lost", ProblemArea::lease, Severity::error,
    "the lease is lost and will be acquired again; packets still pass",
    "if another host has the subnet wrongly, delete its record from the store"};
inline constexpr ProblemKind kLeaseRenewalFails{
    "lease-renewal-fails", ProblemArea::lease, Severity::notice,
    "renewing the lease failed, trying again", "nothing at first: it is tried again in time"};
inline constexpr ProblemKind kLeaseNotRenewed{
    "lease-not-renewed", ProblemArea::lease, Severity::error,
    "the lease cannot be renewed, although the store is reachable",
    "give this host the right to write below the store's subnets, and see the store's own log"};
inline constexpr ProblemKind kDrained{"drained", ProblemArea::lease, Severity::warning,
                                      "this host is drained: it gives its lease back, and packets "
                                      "that still arrive pass",
                                      "flannelctl undrain"};
inline constexpr ProblemKind kDrainedNotYet{"drained-not-yet", ProblemArea::lease,
                                            Severity::waiting,
                                            "the lease of this drained host is being deleted", ""};
inline constexpr ProblemKind kDrainedNotDeleted{
    "drained-not-deleted", ProblemArea::lease, Severity::warning,
    "the lease is not deleted yet, trying again",
    "see that the store runs, and that this host may delete its record"};
inline constexpr ProblemKind kDrainedReservation{
    "drained-reservation", ProblemArea::lease, Severity::warning,
    "this host is drained, but a reservation for it stays, so peers still send to it",
    "flannelctl unreserve the subnet"};
inline constexpr ProblemKind kSubnetOutside{
    "subnet-outside", ProblemArea::lease, Severity::error,
    "our subnet is outside of the network, which has changed",
    "stop flanneld, delete the lease from the store and {file}, start it again, and restart the "
    "containers"};
inline constexpr ProblemKind kSubnetInUse{
    "subnet-in-use", ProblemArea::lease, Severity::error,
    "our subnet contains an address that this host uses outside of the overlay",
    "stop flanneld, delete the lease from the store and {file}, and start it again"};
inline constexpr ProblemKind kNodeIdCopied{
    "node-id-copied", ProblemArea::lease, Severity::error,
    "another host has our node id; who has the younger lease is to take another",
    "if that host does not by itself: stop it, delete its node-id file, start it"};
inline constexpr ProblemKind kPublicIpShared{
    "public-ip-shared", ProblemArea::lease, Severity::error,
    "a record of another node has our public IP; it is not used",
    "give one of the two hosts another address; if that host is gone, delete its record"};
inline constexpr ProblemKind kVtepMacShared{
    "vtep-mac-shared", ProblemArea::lease, Severity::error,
    "two hosts announce one VTEP MAC; the younger lease is not used",
    "if that host does not take another MAC by itself: restart its flanneld, or delete its record"};
inline constexpr ProblemKind kRecordUnusable{
    "record-unusable", ProblemArea::lease, Severity::notice,
    "lease record quarantined, the others are not affected",
    "correct the host that writes it, or delete it (\"flannelctl leases --bad\" has all)"};

// Range of addresses.
inline constexpr ProblemKind kNetworkOverlaps{
    "network-overlaps", ProblemArea::network, Severity::warning,
    "the network overlaps what this host uses outside of the overlay",
    "choose another {key} that nothing else uses"};

// Interface that carries the packets to other hosts.
inline constexpr ProblemKind kUnderlayUnreadable{
    "underlay-unreadable", ProblemArea::underlay, Severity::warning,
    "the interfaces of this host cannot be read, trying again",
    "remove the reason; flanneld tries again by itself"};
inline constexpr ProblemKind kUnderlayGone{"underlay-gone", ProblemArea::underlay,
                                           Severity::critical, "the underlay interface is gone",
                                           "bring {object} back with {addresses}"};
inline constexpr ProblemKind kUnderlayAddressGone{
    "underlay-address-gone", ProblemArea::underlay, Severity::critical,
    "the underlay interface has lost its address", "ip address add {object}/BITS dev {device}"};
inline constexpr ProblemKind kUnderlayFamilyGone{
    "underlay-family-gone", ProblemArea::underlay, Severity::error,
    "the underlay interface has lost its address of one family",
    "ip address add {object}/BITS dev {device}"};
inline constexpr ProblemKind kUnderlayDown{"underlay-down", ProblemArea::underlay,
                                           Severity::critical, "the underlay interface is down",
                                           "ip link set {object} up"};
inline constexpr ProblemKind kUnderlayNoCarrier{
    "underlay-no-carrier", ProblemArea::underlay, Severity::critical,
    "the underlay interface has no carrier",
    "see that its cable and the other end of it are plugged in and up"};
inline constexpr ProblemKind kDefaultRouteGone{"default-route-gone", ProblemArea::underlay,
                                               Severity::error, "there is no default route",
                                               "{ip} route add default via GATEWAY dev {object}"};
inline constexpr ProblemKind kAdvertisementsIgnored{
    "advertisements-ignored", ProblemArea::underlay, Severity::error,
    "there is no IPv6 default route, since router advertisements are ignored",
    "sysctl -w net/ipv6/conf/{object}/accept_ra=2"};
inline constexpr ProblemKind kDefaultRouteEnds{
    "default-route-ends", ProblemArea::underlay, Severity::warning,
    "the IPv6 default route will end, since router advertisements are ignored",
    "sysctl -w net/ipv6/conf/{object}/accept_ra=2"};
inline constexpr ProblemKind kUnderlayNotAsAsked{
    "underlay-not-as-asked", ProblemArea::underlay, Severity::warning,
    "another underlay was asked for, and the one in use stays",
    "give this host what the options ask for, or correct them and reload flanneld"};
inline constexpr ProblemKind kUnderlayNotFollowed{
    "underlay-not-followed", ProblemArea::underlay, Severity::error,
    "the underlay has changed, and the new one cannot be used",
    "remove the reason, or restart flanneld"};

// Settings, routes and firewalls of this host that are not flannel's.
inline constexpr ProblemKind kHostUnreadable{
    "host-unreadable", ProblemArea::host, Severity::warning,
    "routes and forwarding of this host cannot be checked, trying again",
    "remove the reason; flanneld tries again by itself"};
inline constexpr ProblemKind kIpForwardOff{
    "ip-forward-off", ProblemArea::host, Severity::error, "this host forwards no IPv4",
    "sysctl -w net.ipv4.ip_forward=1 (Docker does that when it starts)"};
inline constexpr ProblemKind kIpv6ForwardingOff{
    "ipv6-forwarding-off", ProblemArea::host, Severity::error, "this host forwards no IPv6",
    "sysctl -w net.ipv6.conf.all.forwarding=1 (if the default route comes from router "
    "advertisements, set accept_ra=2 for its device before)"};
inline constexpr ProblemKind kDeviceForwardingOff{"device-forwarding-off", ProblemArea::host,
                                                  Severity::error,
                                                  "a device forwards nothing that comes in by it",
                                                  "sysctl -w net/ipv4/conf/{object}/forwarding=1"};
inline constexpr ProblemKind kIpv6Missing{
    "ipv6-missing", ProblemArea::host, Severity::error,
    "the network has IPv6, and the kernel of this host has none",
    "start the kernel without ipv6.disable=1, or load the module ipv6"};
inline constexpr ProblemKind kOwnSubnetTaken{
    "own-subnet-taken", ProblemArea::host, Severity::critical,
    "another route to our own subnet goes before that of the bridge", "{ip} route del {object}"};
inline constexpr ProblemKind kOwnSubnetRouted{
    "own-subnet-routed", ProblemArea::host, Severity::error,
    "a route of another program leads to our own subnet", "{ip} route del {object}"};
inline constexpr ProblemKind kPeerRouteTaken{
    "peer-route-taken", ProblemArea::host, Severity::error,
    "a route of another program goes before ours to a peer", "{ip} route del {object}"};
inline constexpr ProblemKind kForwardRefused{
    "forward-refused", ProblemArea::host, Severity::error,
    "a chain of nftables refuses forwarded packets of the overlay",
    "see that it accepts {network} (nft list chain {object})"};
inline constexpr ProblemKind kContainersMtu{
    "containers-mtu", ProblemArea::host, Severity::warning,
    "containers have a larger MTU than the overlay",

    "give {object} the smaller MTU, and start its containers anew: docker0 by a restart of Docker, "
    "a network of Docker's by removing it and making it again with -o "
    "com.docker.network.driver.mtu={mtu} (that of --docker-network flanneld makes again itself)"};
inline constexpr ProblemKind kRpFilterStrict{
    "rp-filter-strict", ProblemArea::host, Severity::error,
    "rp_filter drops packets of peers that have not changed their backend yet",
    "sysctl -w net/ipv4/conf/{object}/rp_filter=2"};

// Kernel objects, packet path, packet filter.
inline constexpr ProblemKind kKernelUnreadable{
    "kernel-unreadable", ProblemArea::kernel, Severity::critical,
    "the kernel's objects cannot be read, trying again",
    "see the reason; flanneld needs CAP_NET_ADMIN and a kernel with its backend's devices"};
inline constexpr ProblemKind kKernelObjectUnmet{
    "kernel-object-unmet", ProblemArea::kernel, Severity::error,
    "kernel change failed, will be retried", "remove the reason; flanneld tries again by itself"};
inline constexpr ProblemKind kNetworkHeld{
    "network-held", ProblemArea::kernel, Severity::critical,
    "another device gets the packets to the network",
    "take the address or the route in that network from {device}, or choose another {key}"};
inline constexpr ProblemKind kSoftwareChecksums{
    "software-checksums", ProblemArea::kernel, Severity::notice,
    "the kernel fills in the checksums of packets to peers, and not the network card",
    "flannelctl doctor --fix=off, if the network card or its driver is another one"};
inline constexpr ProblemKind kWireguardKeyNotKept{
    "wireguard-key-not-kept", ProblemArea::kernel, Severity::error,
    "the WireGuard key that is in use cannot be written to its file, trying again",
    "make the state folder writable, or free some space; flanneld tries again by itself"};
inline constexpr ProblemKind kCharonAway{"charon-away", ProblemArea::kernel, Severity::critical,
                                         "charon, which agrees on keys with peers, cannot be "
                                         "reached, trying again; packets to new peers "
                                         "are held back",
                                         "start strongSwan's service, or install charon (apt-get "
                                         "install strongswan-charon strongswan-swanctl)"};
inline constexpr ProblemKind kCharonRefuses{
    "charon-refuses", ProblemArea::kernel, Severity::error,
    "charon refuses a tunnel or a key, trying again",
    "remove the reason, most often an ESPProposal that charon does not know"};
inline constexpr ProblemKind kPacketPathDown{"packet-path-down", ProblemArea::packet_path,
                                             Severity::critical, "no packets are carried",
                                             "remove the reason; flanneld tries again by itself"};
inline constexpr ProblemKind kStartupCommandFails{
    "startup-command-fails", ProblemArea::packet_path, Severity::critical,
    "a command of the extension backend fails, trying again; this host is not ready",
    "remove the reason, or correct the command in the network configuration"};
inline constexpr ProblemKind kPeerCommandFails{
    "peer-command-fails", ProblemArea::packet_path, Severity::error,
    "a command of the extension backend fails for a peer, trying again",
    "remove the reason, or correct the command in the network configuration"};
inline constexpr ProblemKind kRulesNotKept{
    "rules-not-kept", ProblemArea::packet_filter, Severity::error,
    "our rules cannot be kept in the packet filter",
    "remove the reason, or choose the other kind of packet filter with --firewall"};
inline constexpr ProblemKind kIptablesMissing{
    "iptables-missing", ProblemArea::packet_filter, Severity::warning,
    "there are rules of iptables here, and its programs are not installed",
    "install iptables, or remove its rules"};
inline constexpr ProblemKind kInterfaceNamePlus{
    "interface-name-plus", ProblemArea::packet_filter, Severity::error,
    "no packet is let through Docker's rules from an interface whose name ends with +",
    "rename {object}"};
inline constexpr ProblemKind kRandomPortsRefused{
    "random-ports-refused", ProblemArea::packet_filter, Severity::notice,
    "masquerading without random ports", "use a newer kernel or iptables if ports collide"};
inline constexpr ProblemKind kNftablesNotUsed{
    "nftables-not-used", ProblemArea::packet_filter, Severity::notice,
    "EnableNFTables of the network configuration is not followed",
    "give flanneld --firewall=auto and a kernel with nftables"};

// Other hosts.
inline constexpr ProblemKind kPeerUnreachable{
    "peer-unreachable", ProblemArea::peers, Severity::error, "peer unreachable",
    "correct its lease or its backend at that host, or the way to it"};
inline constexpr ProblemKind kPeersSuspected{
    "peers-suspected", ProblemArea::peers, Severity::warning,
    "many peers went from the store at once; they stay until a second list confirms it",
    "if these hosts have not left, see who deleted their leases"};
inline constexpr ProblemKind kPeerSilent{
    "peer-silent", ProblemArea::peers, Severity::error, "a peer does not answer over the overlay",
    "see that {host} runs, and that no firewall drops {tunnel} there, here or between the two"};
inline constexpr ProblemKind kPeersSilent{
    "peers-silent", ProblemArea::peers, Severity::error,
    "most peers do not answer over the overlay",
    "see that {device} of this host passes packets, and that no firewall here drops {tunnel}"};
inline constexpr ProblemKind kPeerOneWay{
    "peer-one-way", ProblemArea::peers, Severity::error,
    "packets of a peer arrive, and ours do not arrive there",
    "see that {host} lets {tunnel} in from this host, and that nothing between drops it"};
inline constexpr ProblemKind kPeerMtu{
    "peer-mtu", ProblemArea::peers, Severity::error, "long packets to or from a peer are lost",
    "see that every link on the way to {host} passes packets as long as the underlay's MTU, or set "
    "the MTU of the underlay's interface to what it passes"};

inline constexpr ProblemKind kChecksumsBroken{
    "checksums-broken", ProblemArea::peers, Severity::error,
    "packets whose checksums are left to the network card do not arrive at peers",
    "flannelctl doctor --fix, by which the kernel fills them in for {object}"};
inline constexpr ProblemKind kUnderlayChecksumsBroken{
    "underlay-checksums-broken", ProblemArea::peers, Severity::error,
    "packets whose checksums are left to the underlay's interface do not arrive at peers",
    "ethtool -K {object} tx off, by which the kernel fills them in; and see its driver"};

// File for Docker and other readers.
inline constexpr ProblemKind kSubnetFileUnwritable{
    "subnet-file-unwritable", ProblemArea::subnet_file, Severity::critical,
    "cannot write the subnet file", "--subnet-file= can name a file elsewhere"};
inline constexpr ProblemKind kSubnetFileInPlace{
    "subnet-file-in-place", ProblemArea::subnet_file, Severity::notice,
    "the subnet file is written where it is, for it cannot be replaced",
    "mount its folder, not the file"};

// Docker's network of --docker-network.
inline constexpr ProblemKind kDockerAway{
    "docker-away", ProblemArea::docker, Severity::notice,
    "Docker does not answer; its network is seen to when it does",
    "start Docker; DOCKER_HOST=unix://PATH names another socket"};
inline constexpr ProblemKind kDockerRefused{
    "docker-refused", ProblemArea::docker, Severity::warning,
    "Docker refuses to show its networks or to make ours, trying again",
    "remove the reason: give flanneld the right to use the socket, or see Docker's own log"};
inline constexpr ProblemKind kDockerSubnetTaken{
    "docker-subnet-taken", ProblemArea::docker, Severity::warning,
    "Docker uses our subnet for another network, so ours is not made",
    "start Docker with another --bip, as 172.17.0.1/16, which it keeps in place of ours; of "
    "another "
    "network: remove it; or start flanneld without --docker-network"};
inline constexpr ProblemKind kDockerNetworkForeign{
    "docker-network-foreign", ProblemArea::docker, Severity::warning,
    "Docker has another network of this name, so ours is not made",
    "give --docker-network another name, or, if no container needs it: docker network rm {object}"};
inline constexpr ProblemKind kDockerNetworkTwice{
    "docker-network-twice", ProblemArea::docker, Severity::warning,
    "Docker has several networks of this name",
    "remove all but the one with the subnet of this host: docker network rm ID; or give "
    "--docker-network another name"};
inline constexpr ProblemKind kDockerNetworkDiffers{
    "docker-network-differs", ProblemArea::docker, Severity::error,
    "Docker's network has another subnet than this host",
    "remove its containers, and then: docker network rm {object}; flanneld makes it again at once"};
inline constexpr ProblemKind kDockerPoolDiffers{
    "docker-pool-differs", ProblemArea::docker, Severity::error,
    "a network of Docker's has another subnet than this host",
    "remove the containers and the network (docker network inspect $(docker network ls -q) shows "
    "which has {object}), and create it again"};
inline constexpr ProblemKind kDockerNetworkMtu{
    "docker-network-mtu", ProblemArea::docker, Severity::warning,
    "Docker's network has a larger MTU than the overlay",
    "remove its containers, and then: docker network rm {object}; flanneld makes it again at once"};

}  // namespace flannel
