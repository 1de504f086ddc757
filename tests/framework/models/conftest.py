from tests.framework.threads import one_thread

__all__ = ["one_thread"]
