"""The lab: a real Kubernetes control plane and a real Kafka for the tests.

Nothing here is a fake. etcd, the API server, the controllers, the scheduler and
Kafka are the real programs, built from their published sources; only the kubelet
is played, by kwok. `build` fetches them, `control_plane` and `broker` run them,
`driver` and `scenarios` use them like people do, `recorder` writes down what the
API said meanwhile.
"""
