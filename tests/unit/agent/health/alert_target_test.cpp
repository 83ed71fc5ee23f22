#include "agent/health/sources/alert_target.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>

namespace cardswap::health {
namespace {

using ::testing::HasSubstr;

using Labels = std::vector<std::pair<std::string, std::string>>;

constexpr auto kUuid = "GPU-95d4eaef-812a-5157-fec0-7d64667313dc";

const std::vector<DeviceName> kDevices{{"cuda:0", kUuid, "0000:3b:00"},
                                       {"cuda:1", "GPU-2", "0000:5e:00"}};
const OwnHost kOwn{{"node7"}, {"10.0.0.7", "fd00::7"}, {"172.17.0.1"}};

AlertTarget target(Labels labels) {
  Alert alert;
  alert.labels = std::move(labels);
  return target_of(alert, kDevices, kOwn);
}
AlertScope scope(Labels labels) { return target(std::move(labels)).scope; }

TEST(AlertTarget, IsOursWhereverAHostLabelNamesUs) {
  for (const auto* key :
       {"Hostname", "hostname", "HOSTNAME", "host", "node", "nodename", "nodeName", "node_name",
        "kubernetes_node", "kubernetes_io_hostname", "k8s_node_name", "exported_instance",
        "instance", "exported_node", "machine", "server", "fqdn", "host_name", "k8s.node.name"}) {
    for (const auto* value :
         {"node7", "NODE7", "node7.cluster.example", "node7.", "node7:9400", "10.0.0.7:9100",
          "10.0.0.7", "[fd00::7]:9100", "::ffff:10.0.0.7", "http://node7:9100/metrics"}) {
      const auto found = target({{"alertname", "NodeDown"}, {key, value}});
      EXPECT_EQ(found.scope, AlertScope::ours) << key << "=" << value << ": " << found.why;
      EXPECT_EQ(found.device, kHost);
    }
    for (const auto* value :
         {"node8", "node77", "node7-2", "node8.cluster.example", "10.0.0.8:9100", "[fd00::8]:9100",
          "node8:9400", "node7 and others"}) {
      EXPECT_NE(scope({{key, value}}), AlertScope::ours) << key << "=" << value;
      EXPECT_NE(scope({{key, value}, {"cardswap_device", "cuda:0"}}), AlertScope::ours)
          << key << "=" << value;
    }
  }
}

TEST(AlertTarget, IsOfAnotherHostWhereOnlyTheFirstPartOfAFullNameIsOurs) {
  const OwnHost own{{"node7.rack1.example"}, {}, {}};
  EXPECT_EQ(own.match("node7.rack1.example:9400"), OwnHost::Match::us);
  EXPECT_EQ(own.match("node7"), OwnHost::Match::us);
  EXPECT_EQ(own.match("node7.rack2.example"), OwnHost::Match::another);
}

TEST(AlertTarget, IsProvedByAUuidInAnyLabelAndByAPciAddressOnlyWithTheHost) {
  for (const auto* key : {"UUID", "uuid", "gpu_uuid", "GPU_UUID", "gpuUUID", "DCGM_FI_DEV_UUID",
                          "device", "cardswap_device", "gpu_id"}) {
    EXPECT_EQ(target({{key, kUuid}}).device, "cuda:0") << key;
  }
  EXPECT_EQ(target({{"UUID", "gpu-95D4EAEF-812a-5157-fec0-7d64667313dc"}}).device, "cuda:0");
  EXPECT_EQ(scope({{"UUID", "GPU-0000eaef-812a-5157-fec0-7d64667313dc"}}), AlertScope::not_ours);
  EXPECT_EQ(scope({{"pci_bus_id", "00000000:3B:00.0"}}), AlertScope::unclear);
  EXPECT_EQ(target({{"pci_bus_id", "00000000:3B:00.0"}, {"node", "node7"}}).device, "cuda:0");
  EXPECT_EQ(scope({{"pci_bus_id", "00000000:3B:00.0"}, {"node", "node8"}}), AlertScope::not_ours);
  EXPECT_EQ(scope({{"cardswap_device", "cuda:0"}}), AlertScope::unclear);
  EXPECT_EQ(target({{"cardswap_device", "cuda:1"}, {"Node", "Node7"}}).device, "cuda:1");
  EXPECT_EQ(scope({{"UUID", kUuid}, {"pci", "0000:5e:00.0"}}), AlertScope::unclear);
  EXPECT_EQ(scope({{"UUID", kUuid}, {"node", "node8"}}), AlertScope::unclear);
}

TEST(AlertTarget, IsNotHiddenByAnExportersPod) {
  for (const auto* pod :
       {"nvidia-dcgm-exporter-cwbcm", "dcgm-exporter-0", "gpu-watch-7d4f8", "3f2a9c1b0d4e"}) {
    EXPECT_EQ(scope({{"Hostname", pod}, {"node", "node7"}, {"instance", "10.42.3.17:9400"}}),
              AlertScope::ours)
        << pod;
    EXPECT_EQ(scope({{"Hostname", pod}, {"UUID", kUuid}, {"instance", "10.42.3.17:9400"}}),
              AlertScope::ours)
        << pod;
    EXPECT_NE(scope({{"Hostname", pod}, {"cardswap_device", "cuda:0"}}), AlertScope::ours) << pod;
    EXPECT_EQ(scope({{"Hostname", pod}, {"node", "node8"}}), AlertScope::not_ours) << pod;
  }
  EXPECT_EQ(scope({{"host", "watcher"}, {"pod", "watcher"}, {"node", "node7"}}), AlertScope::ours);
  EXPECT_EQ(scope({{"node", "worker-x7k2p"}, {"Hostname", "node7"}}), AlertScope::unclear)
      << "a node is never a pod";
}

TEST(AlertTarget, IsUnclearWhereLabelsDisagreeOrNothingNamesAHost) {
  EXPECT_EQ(scope({{"alertname", "NodeDown"}}), AlertScope::unclear);
  EXPECT_EQ(scope({{"gpu", "0"}, {"device", "nvidia0"}}), AlertScope::unclear);
  EXPECT_EQ(scope({{"node", "node7"}, {"instance", "node8:9100"}}), AlertScope::unclear);
  EXPECT_EQ(scope({{"node", "node8"}, {"Hostname", "node7"}}), AlertScope::unclear);
  EXPECT_EQ(scope({{"instance", "10.0.0.7:9100"}, {"exported_instance", "10.0.0.8:9100"}}),
            AlertScope::unclear);
  EXPECT_EQ(scope({{"instance", "10.9.8.7:9100"}}), AlertScope::not_ours);
  EXPECT_THAT(target({{"node", "node8"}, {"Hostname", "node7"}}).why, HasSubstr("node=node8"));
}

TEST(AlertTarget, IsNotProvedByWhatNamesEveryHost) {
  for (const auto* value :
       {"localhost:9100", "127.0.0.1:9100", "[::1]:9100", "0.0.0.0:9100", "172.17.0.1:9100",
        "169.254.169.254", "fe80::1", "[::ffff:127.0.0.1]:9100", "unknown", "-", "0"}) {
    EXPECT_EQ(scope({{"instance", value}}), AlertScope::unclear) << value;
    EXPECT_EQ(scope({{"node", value}}), AlertScope::unclear) << value;
    EXPECT_EQ(scope({{"instance", value}, {"node", "node7"}}), AlertScope::ours) << value;
  }
}

TEST(AlertTarget, IsUnclearWhenLabelsWereCutOff) {
  Alert alert;
  alert.labels = {{"node", "node7"}};
  alert.labels_cut = true;
  EXPECT_EQ(target_of(alert, kDevices, kOwn).scope, AlertScope::unclear);
}

/// What a label that the property below draws says about the host, by the test's own books.
enum class Says { nothing, us, another };
struct Drawn {
  std::string key;
  std::string value;
  Says says;
};

/// Method: label sets at random, of keys and values whose meaning the test knows. The judgement is
/// held against the two sentences that operators are promised.
TEST(AlertTarget, IsOursOnlyWithAProofAndWithoutAnotherHostsName) {
  std::mt19937 random(20261128);  // NOLINT: the same labels each time
  const auto pick = [&](const auto& list) -> const auto& { return list[random() % list.size()]; };
  const std::vector<std::string> node_keys{
      "node", "Node", "kubernetes_node", "nodename", "k8s_node_name", "exported_node", "NODE_NAME"};
  const std::vector<std::string> host_keys{"Hostname", "hostname",      "host",    "HOST",
                                           "machine",  "exported_host", "host_ip", "server"};
  const std::vector<std::string> instance_keys{"instance", "Instance", "exported_instance"};
  const std::vector<std::string> other_keys{"gpu", "device",    "job",      "severity",  "cluster",
                                            "pod", "namespace", "err_code", "modelName", "team"};
  const std::vector<std::string> us{"node7", "NODE7.cluster", "10.0.0.7:9100", "[fd00::7]:9400"};
  const std::vector<std::string> others{"node8", "node8.cluster:9400", "gpu-9", "NODE71"};
  const std::vector<std::string> other_addresses{"10.0.0.8:9100", "10.9.8.7", "[fd00::8]:9400"};
  const std::vector<std::string> nobody{"", "localhost:9400", "127.0.0.1", "unknown", "3"};
  int ours = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<Drawn> drawn;
    bool uuid_ours = false;
    for (std::size_t i = 0, count = random() % 6; i < count; ++i) {
      const auto kind = random() % 4;
      const auto& key = pick(kind == 0   ? node_keys
                             : kind == 1 ? host_keys
                             : kind == 2 ? instance_keys
                                         : other_keys);
      const auto what = random() % 4;
      if (kind == 3) {
        drawn.push_back({key, pick(what == 0 ? us : nobody), Says::nothing});
      } else if (what == 0) {
        drawn.push_back({key, pick(us), Says::us});
      } else if (what == 1) {
        drawn.push_back({key, pick(others), Says::another});
      } else if (what == 2) {
        // The address at which an exporter answers names no host by itself: it proves nothing.
        drawn.push_back({key, pick(other_addresses), kind == 2 ? Says::nothing : Says::another});
      } else {
        drawn.push_back({key, pick(nobody), Says::nothing});
      }
    }
    switch (random() % 5) {
      case 0:
        drawn.push_back({"UUID", kUuid, Says::nothing});
        uuid_ours = true;
        break;
      case 1: drawn.push_back({"cardswap_device", "cuda:0", Says::nothing}); break;
      case 2: drawn.push_back({"pci_bus_id", "00000000:3B:00.0", Says::nothing}); break;
      default: break;
    }
    Labels labels;
    std::string shown;
    bool proved = uuid_ours;
    bool elsewhere = false;
    for (const auto& label : drawn) {
      labels.emplace_back(label.key, label.value);
      shown += fmt::format("{}={} ", label.key, label.value);
      proved = proved || label.says == Says::us;
      elsewhere = elsewhere || label.says == Says::another;
    }
    const auto found = target(labels);
    if (found.scope != AlertScope::ours) continue;
    ++ours;
    EXPECT_TRUE(proved) << shown;
    EXPECT_FALSE(elsewhere) << shown;
    EXPECT_FALSE(found.device.empty()) << shown;
  }
  EXPECT_GT(ours, 1000);
}

}  // namespace
}  // namespace cardswap::health
