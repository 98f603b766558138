"""temp"""
def backward_name(name, params, shapes, shape): return name.capitalize()+"Backward0"
def tensor_text(a, **k): return f"tensor({a}, {k})"
